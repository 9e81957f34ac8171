"""The panel: a widget in the kernel, and its view in the page (`js/`).

It may import all of the core, and IPython and anywidget.
"""
