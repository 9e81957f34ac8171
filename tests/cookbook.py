"""Small flows in the shapes of PocketFlow's cookbook: their nodes read `shared`, and no params.

A model is replaced by a function of the prompt.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable
from typing import Any, NamedTuple

from pocketflow import (
    AsyncBatchNode,
    AsyncFlow,
    AsyncNode,
    AsyncParallelBatchFlow,
    AsyncParallelBatchNode,
    BatchFlow,
    BatchNode,
    Flow,
    Node,
)


class Shape(NamedTuple):
    """A flow, and what it runs over.

    Attributes:
        make: returns a new flow.
        store: returns what the shared store of each run begins with.
        rows: the rows, dicts or strings.
        fill: the value of `fill_shared`.
        mixes: the keys of `shared` that instances would mix in one store.
    """

    make: Callable[[], Any]
    store: Callable[[], dict[str, Any]]
    rows: list[Any]
    fill: bool | str = True
    mixes: tuple[str, ...] = ()


def llm(prompt: str) -> str:
    return f"<{prompt}>"


async def llm_async(prompt: str) -> str:
    await asyncio.sleep(0)
    return llm(prompt)


WORDS = ["rain", "snow", "a storm of hail", "fog", "wind and sun"]


# Hello world


class Answer(Node):
    def prep(self, shared):
        return shared["question"]

    def exec(self, question):
        return llm(question)

    def post(self, shared, question, answer):
        shared["answer"] = answer


def hello():
    return Flow(start=Answer())


# Chat: a node that leads back to itself until the user leaves


class Chat(Node):
    def prep(self, shared):
        if "messages" not in shared:
            shared["messages"] = []
        if not shared["turns"]:
            return None
        shared["messages"].append({"role": "user", "content": shared["turns"].pop(0)})
        return shared["messages"]

    def exec(self, messages):
        return None if messages is None else llm(messages[-1]["content"])

    def post(self, shared, messages, reply):
        if messages is None:
            return None
        shared["messages"].append({"role": "assistant", "content": reply})
        return "continue"


def chat():
    node = Chat()
    node - "continue" >> node
    return Flow(start=node)


# Chat with a guardrail and a memory


class Guard(Node):
    def prep(self, shared):
        return shared["question"]

    def exec(self, question):
        return "storm" not in question

    def post(self, shared, question, is_allowed):
        if is_allowed:
            return "process"
        shared["answer"] = "I only talk about calm weather."
        return "rejected"


class Recall(Node):
    def prep(self, shared):
        return shared["question"], shared.get("memory", {})

    def exec(self, prepared):
        question, memory = prepared
        return memory.get(question, "nothing")

    def post(self, shared, prepared, recalled):
        shared["recalled"] = recalled
        shared.setdefault("memory", {})[prepared[0]] = "asked before"


def guarded():
    guard = Guard()
    guard - "process" >> Recall() >> Answer()
    return Flow(start=guard)


# Agent: decide, search, decide again, answer


class Decide(Node):
    def prep(self, shared):
        return shared["question"], shared.get("context", "")

    def exec(self, prepared):
        question, context = prepared
        return "search" if context.count("\n") < len(question) % 3 else "answer"

    def post(self, shared, prepared, decision):
        if decision == "search":
            shared["query"] = f"about {prepared[0]}"
        return decision


class Search(Node):
    def prep(self, shared):
        return shared["query"]

    def exec(self, query):
        return llm(query)

    def post(self, shared, query, found):
        shared["context"] = shared.get("context", "") + found + "\n"
        return "decide"


class AnswerFromContext(Node):
    def prep(self, shared):
        return shared["question"], shared.get("context", "")

    def exec(self, prepared):
        return llm("/".join(prepared))

    def post(self, shared, prepared, answer):
        shared["answer"] = answer
        return "done"


def agent():
    decide, search = Decide(), Search()
    decide - "search" >> search
    decide - "answer" >> AnswerFromContext()
    search - "decide" >> decide
    return Flow(start=decide)


# Supervisor: an agent as a node of another flow, which sends it back


class Supervise(Node):
    def prep(self, shared):
        return shared["answer"]

    def exec(self, answer):
        return len(answer) % 2 == 0

    def post(self, shared, answer, is_good):
        shared["reviews"] = shared.get("reviews", 0) + 1
        if is_good or shared["reviews"] > 2:
            return None
        shared["question"] += "!"
        return "retry"


def supervisor():
    inner, supervise = agent(), Supervise()
    inner - "done" >> supervise
    supervise - "retry" >> inner
    return Flow(start=inner)


# RAG: chunk, embed, retrieve, generate


class Chunk(BatchNode):
    def prep(self, shared):
        return shared["texts"]

    def exec(self, text):
        return [text[at : at + 4] for at in range(0, len(text), 4)]

    def post(self, shared, texts, chunks):
        shared["chunks"] = [each for per_text in chunks for each in per_text]


class Embed(BatchNode):
    def prep(self, shared):
        return shared["chunks"]

    def exec(self, chunk):
        return sum(map(ord, chunk))

    def post(self, shared, chunks, vectors):
        shared["index"] = dict(zip(chunks, vectors, strict=True))


class Retrieve(Node):
    def prep(self, shared):
        return shared["question"], shared["index"]

    def exec(self, prepared):
        question, index = prepared
        return min(index, key=lambda chunk: abs(index[chunk] - sum(map(ord, question))))

    def post(self, shared, prepared, chunk):
        shared["context"] = chunk


def rag():
    first = Chunk()
    first >> Embed() >> Retrieve() >> AnswerFromContext()
    return Flow(start=first)


# Map-reduce


class ReadFiles(Node):
    def prep(self, shared):
        return shared["folder"]

    def exec(self, folder):
        return {f"{folder}/{n}.txt": f"{folder} {n}" for n in range(3)}

    def post(self, shared, folder, files):
        shared["files"] = files


class Evaluate(BatchNode):
    def prep(self, shared):
        return list(shared["files"].items())

    def exec(self, item):
        return item[0], len(item[1]) % 2 == 0

    def post(self, shared, items, results):
        shared["evaluations"] = dict(results)


class Reduce(Node):
    def prep(self, shared):
        return shared["evaluations"]

    def exec(self, evaluations):
        return sum(evaluations.values())

    def post(self, shared, evaluations, total):
        shared["summary"] = {"total": len(evaluations), "good": total}


def map_reduce():
    first = ReadFiles()
    first >> Evaluate() >> Reduce()
    return Flow(start=first)


# Judge: draft, judge, draft again


class Draft(Node):
    def prep(self, shared):
        return shared["task"], shared.get("feedback", [])

    def exec(self, prepared):
        task, feedback = prepared
        return llm(f"{task} {len(feedback)}")

    def post(self, shared, prepared, draft):
        shared["draft"] = draft
        return "judge"


class Judge(Node):
    def prep(self, shared):
        return shared["draft"], shared.get("attempts", 0)

    def exec(self, prepared):
        draft, attempts = prepared
        return attempts >= len(draft) % 3

    def post(self, shared, prepared, is_good):
        if is_good:
            return "Approve"
        if shared.get("attempts", 0) > 3:
            return "max_iterations"
        shared["attempts"] = shared.get("attempts", 0) + 1
        shared.setdefault("feedback", []).append("more")
        return "Disapprove"


def judge():
    draft, node = Draft(), Judge()
    draft - "judge" >> node
    node - "Disapprove" >> draft
    return Flow(start=draft)


# Batch node: a large input in chunks


class Chunks(BatchNode):
    def prep(self, shared):
        return [shared["numbers"][at : at + 2] for at in range(0, len(shared["numbers"]), 2)]

    def exec(self, chunk):
        return sum(chunk), len(chunk)

    def post(self, shared, chunks, results):
        shared["statistics"] = {"sum": sum(each[0] for each in results), "n": len(results)}
        return "show"


class Show(Node):
    def prep(self, shared):
        return shared["statistics"]

    def post(self, shared, statistics, _):
        shared["shown"] = f"{statistics['sum']} of {statistics['n']}"
        return "end"


def batch_node():
    chunks = Chunks()
    chunks - "show" >> Show()
    return Flow(start=chunks)


# Batch flow: for each filter, load the image, filter it, save it


class Load(Node):
    def prep(self, shared):
        return f"{shared['folder']}/{self.params['file']}"

    def exec(self, path):
        return llm(path)

    def post(self, shared, path, image):
        shared["image"] = image


class Filter(Node):
    def prep(self, shared):
        return shared["image"], self.params["filter"]

    def exec(self, prepared):
        return "+".join(prepared)

    def post(self, shared, prepared, filtered):
        shared["filtered"] = filtered


class Save(Node):
    def prep(self, shared):
        return shared["filtered"]

    def post(self, shared, filtered, _):
        shared.setdefault("saved", []).append(filtered)


class EachFilter(BatchFlow):
    def prep(self, shared):
        return [{"file": f"{n}.png", "filter": each} for n in range(2) for each in ("grey", "blur")]


def batch_flow():
    first = Load()
    first >> Filter() >> Save()
    return Flow(start=EachFilter(start=first))


# Workflow: outline, write each section, style


class Outline(Node):
    def prep(self, shared):
        return shared["topic"]

    def exec(self, topic):
        return [f"{topic} {n}" for n in range(len(topic) % 3 + 1)]

    def post(self, shared, topic, sections):
        shared["sections"] = sections


class Write(BatchNode):
    def prep(self, shared):
        return shared["sections"]

    def exec(self, section):
        return llm(section)

    def post(self, shared, sections, texts):
        shared["draft"] = "\n".join(texts)


class Style(Node):
    def prep(self, shared):
        return shared["draft"]

    def exec(self, draft):
        return draft.title()

    def post(self, shared, draft, article):
        shared["article"] = article
        return "default"


def workflow():
    first = Outline()
    first >> Write() >> Style()
    return Flow(start=first)


# Structured output: exec checks the answer, is tried again, and falls back


class Parse(Node):
    def __init__(self):
        super().__init__(max_retries=2)

    def prep(self, shared):
        return shared["resume"]

    def exec(self, resume):
        name, *skills = resume.split()
        assert skills, "no skills"
        return {"name": name, "skills": skills}

    def exec_fallback(self, resume, exc):
        return {"name": resume, "skills": [], "error": str(exc)}

    def post(self, shared, resume, parsed):
        shared["parsed"] = parsed
        return parsed["name"] if parsed["skills"] else "error"


def structured():
    parse = Parse()
    parse - "error" >> None
    return Flow(start=parse)


# Majority vote


class Vote(BatchNode):
    def prep(self, shared):
        return [shared["question"]] * shared.get("tries", 5)

    def exec(self, question):
        return len(question) % 3

    def post(self, shared, questions, votes):
        shared["majority"] = max(set(votes), key=votes.count)
        return "end_of_vote"


def vote():
    return Flow(start=Vote())


# Text to SQL: execute, debug, execute again


class Generate(Node):
    def prep(self, shared):
        return shared["question"], shared["schema"]

    def exec(self, prepared):
        return f"selct {len(prepared[0])} from {prepared[1]}"

    def post(self, shared, prepared, sql):
        shared["sql"] = sql
        shared["debugs"] = 0


class Execute(Node):
    def prep(self, shared):
        return shared["sql"]

    def exec(self, sql):
        return "select" in sql, sql

    def post(self, shared, sql, result):
        is_right, rows = result
        if is_right:
            shared["rows"] = rows
            return "success"
        shared["debugs"] += 1
        return "failed" if shared["debugs"] > shared["max_debugs"] else "retry"


class Debug(Node):
    def prep(self, shared):
        return shared["sql"]

    def exec(self, sql):
        return sql.replace("selct", "select")

    def post(self, shared, sql, mended):
        shared["sql"] = mended


def text_to_sql():
    first, execute, debug = Generate(), Execute(), Debug()
    first >> execute
    execute - "retry" >> debug
    execute - "failed" >> None
    debug >> execute
    return Flow(start=first)


# Chain of thought: a node that continues its own list of thoughts


class Think(Node):
    def prep(self, shared):
        return shared["problem"], shared.get("thoughts", [])

    def exec(self, prepared):
        problem, thoughts = prepared
        return {"n": len(thoughts), "go_on": len(thoughts) < len(problem) % 4}

    def post(self, shared, prepared, thought):
        shared.setdefault("thoughts", []).append(thought)
        if thought["go_on"]:
            return "continue"
        shared["solution"] = llm(str(len(shared["thoughts"])))
        return "end"


def thinking():
    node = Think()
    node - "continue" >> node
    return Flow(start=node)


# Async: fetch, suggest, approve or suggest again


class Fetch(AsyncNode):
    async def prep_async(self, shared):
        return shared["ingredient"]

    async def exec_async(self, ingredient):
        return [await llm_async(f"{ingredient} {n}") for n in range(3)]

    async def post_async(self, shared, ingredient, recipes):
        shared["recipes"] = recipes
        return "suggest"


class Suggest(AsyncNode):
    async def prep_async(self, shared):
        return shared["recipes"]

    async def exec_async(self, recipes):
        await asyncio.sleep(0)
        return recipes[0]

    async def post_async(self, shared, recipes, suggestion):
        shared["suggestion"] = suggestion
        return "approve"


class Approve(AsyncNode):
    async def prep_async(self, shared):
        return shared["suggestion"]

    async def post_async(self, shared, suggestion, _):
        if len(shared["recipes"]) > len(suggestion) % 3 + 1:
            shared["recipes"].pop(0)
            return "retry"
        return "accept"


def recipes():
    fetch, suggest, approve = Fetch(), Suggest(), Approve()
    fetch - "suggest" >> suggest
    suggest - "approve" >> approve
    approve - "retry" >> suggest
    approve - "accept" >> None
    return AsyncFlow(start=fetch)


# Parallel batch node: translations


class Translate(AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return [(shared["text"], language) for language in shared["languages"]]

    async def exec_async(self, item):
        return await llm_async(":".join(item))

    async def post_async(self, shared, items, translations):
        shared["translations"] = dict(zip(shared["languages"], translations, strict=True))


class Proofread(AsyncBatchNode):
    async def prep_async(self, shared):
        return list(shared["translations"].values())

    async def exec_async(self, text):
        return await llm_async(text)

    async def post_async(self, shared, texts, proofs):
        shared["proofs"] = proofs


def translations():
    first = Translate()
    first >> Proofread()
    return AsyncFlow(start=first)


# Parallel batch flow within a flow


class LoadAsync(AsyncNode):
    async def prep_async(self, shared):
        return f"{shared['folder']}/{self.params['file']}"

    async def exec_async(self, path):
        return await llm_async(path)

    async def post_async(self, shared, path, image):
        shared["images"][self.params["file"]] = image


class EachFile(AsyncParallelBatchFlow):
    async def prep_async(self, shared):
        shared["images"] = {}
        return [{"file": f"{n}.png"} for n in range(3)]


class Count(Node):
    def prep(self, shared):
        return shared["images"]

    def exec(self, images):
        return sorted(images)

    def post(self, shared, images, names):
        shared["names"] = names


def parallel_batch_flow():
    images = EachFile(start=LoadAsync())
    images >> Count()
    return AsyncFlow(start=images)


# Two agents that talk through queues


class Hint(Node):
    def prep(self, shared):
        return shared["word"], len(shared["guesses"])

    def exec(self, prepared):
        word, n = prepared
        return word[: n + 1]

    def post(self, shared, prepared, hint):
        shared["hints"].put(hint)
        return "guess"


class Guess(Node):
    def prep(self, shared):
        return shared["hints"].get_nowait()

    def exec(self, hint):
        return next((each for each in WORDS if each.startswith(hint)), hint)

    def post(self, shared, hint, guess):
        shared["guesses"].append(guess)
        if guess == shared["word"] or len(shared["guesses"]) > 5:
            return "end"
        return "hint"


class Begin(Node):
    def post(self, shared, _, __):
        shared["hints"] = queue.Queue()
        shared["guesses"] = []
        return "start"


class Result(Node):
    def prep(self, shared):
        shared.pop("hints")
        return shared["guesses"]

    def exec(self, guesses):
        return guesses[-1]

    def post(self, shared, guesses, last):
        shared["result"] = last


def taboo():
    begin, hint, guess = Begin(), Hint(), Guess()
    begin - "start" >> hint
    hint - "guess" >> guess
    guess - "hint" >> hint
    guess - "end" >> Result()
    return Flow(start=begin)


# A menu: one action per command


class Menu(Node):
    def prep(self, shared):
        return shared["command"]

    def post(self, shared, command, _):
        return command


class Upper(Node):
    def post(self, shared, _, __):
        shared["text"] = shared["text"].upper()


class Reverse(Node):
    def post(self, shared, _, __):
        shared["text"] = shared["text"][::-1]


def menu():
    node = Menu()
    node - "upper" >> Upper()
    node - "reverse" >> Reverse()
    node - "exit" >> None
    return Flow(start=node)


# Statistics that a flow keeps of itself


class CountWords(Node):
    def prep(self, shared):
        return shared["text"]

    def exec(self, text):
        return len(text.split())

    def post(self, shared, text, words):
        shared["statistics"]["texts"] += 1
        shared["statistics"]["words"] += words
        return "show" if words > 1 else "pass"


class ShowAverage(Node):
    def prep(self, shared):
        return shared["statistics"]

    def post(self, shared, statistics, _):
        shared["average"] = statistics["words"] / statistics["texts"]


def communication():
    count = CountWords()
    count - "show" >> ShowAverage()
    return Flow(start=count)


# A last node that returns what it has made


class Report(Node):
    def prep(self, shared):
        return shared["question"]

    def exec(self, question):
        return {"report": llm(question)}

    def post(self, shared, question, report):
        shared["report"] = report
        return report


def report():
    first = Answer()
    first >> Report()
    return Flow(start=first)


def none():
    return {}


QUESTIONS = [{"question": each} for each in WORDS]
SHAPES = {
    "hello": Shape(hello, none, WORDS, "question"),
    "chat": Shape(
        chat, none, [{"turns": WORDS[:n]} for n in range(4)], mixes=("messages", "turns")
    ),
    "guarded": Shape(guarded, lambda: {"memory": {"rain": "wet"}}, QUESTIONS),
    "agent": Shape(agent, none, WORDS, "question"),
    "supervisor": Shape(supervisor, none, QUESTIONS),
    "rag": Shape(rag, lambda: {"texts": ["rain is wet", "snow is cold"]}, QUESTIONS),
    "map_reduce": Shape(map_reduce, none, [{"folder": each} for each in "abc"]),
    "judge": Shape(judge, none, WORDS, "task", mixes=("feedback",)),
    "batch_node": Shape(batch_node, none, [{"numbers": list(range(n))} for n in range(5)]),
    "batch_flow": Shape(batch_flow, none, ["cats", "dogs"], "folder"),
    "workflow": Shape(workflow, none, WORDS, "topic"),
    "structured": Shape(structured, none, ["Ann", "Bob R", "Cem R SQL"], "resume"),
    "vote": Shape(vote, lambda: {"tries": 3}, [*QUESTIONS, {"question": "dew", "tries": 1}]),
    "text_to_sql": Shape(
        text_to_sql,
        lambda: {"schema": "t"},
        [{"question": each, "max_debugs": n} for n, each in enumerate(WORDS)],
    ),
    "thinking": Shape(thinking, none, WORDS, "problem", mixes=("thoughts",)),
    "recipes": Shape(recipes, none, WORDS, "ingredient", mixes=("recipes",)),
    "translations": Shape(translations, lambda: {"languages": ["de", "fr"]}, WORDS, "text"),
    "parallel_batch_flow": Shape(parallel_batch_flow, none, ["cats", "dogs"], "folder"),
    "taboo": Shape(taboo, none, WORDS, "word", mixes=("hints", "guesses")),
    "menu": Shape(
        menu, none, [{"command": each, "text": "abc"} for each in ("upper", "reverse", "exit")]
    ),
    "communication": Shape(
        communication,
        lambda: {"statistics": {"texts": 0, "words": 0}},
        WORDS,
        "text",
        mixes=("statistics",),
    ),
    "report": Shape(report, none, QUESTIONS),
}
