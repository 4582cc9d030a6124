#!/usr/bin/env python3
"""Solve synthetic documents (JSON lines on stdin, generator as argument) without knowing how they were made.

Prints one line a document whose gold is not what this finds, and ends with 1 if there is any."""
import datetime
import json
import re
import sys

DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def numbers(text):
    return [int(n) for n in re.findall(r"-?\d+", text)]


def arithmetic(doc):
    """Reads the story itself, sentence by sentence, not the worked answer."""
    value = total = None
    for sentence in re.split(r"(?<=[.?]) ", doc["question"]):
        n = numbers(sentence)
        if value is None:
            value = n[0]
        elif "also has" in sentence or sentence.startswith("How many"):
            if "together" in sentence:
                value = total
        elif "finds" in sentence or "brings" in sentence:
            value += n[0]
        elif "away" in sentence or "loses" in sentence:
            value -= n[0]
        elif "buys" in sentence:
            value += n[0] * n[1]
        elif "times as many" in sentence:
            value *= n[0]
        elif "equal piles" in sentence:
            assert value % n[0] == 0, sentence
            value //= n[0]
        elif "more" in sentence and "than" in sentence:
            total = value + value + n[0]
        else:
            raise AssertionError(sentence)
        assert value >= 2
    steps = re.findall(r"(\d+) ([-+*/]) (\d+) = (\d+)", doc["answer"])
    for a, op, b, c in steps:
        assert eval(f"{a} {op} {b}") == int(c), (a, op, b, c)
    assert len(steps) >= 1
    return str(value) == doc["answer"].split("#### ")[1]


def choice_answer(doc):
    q, kind = doc["question"], doc["kind"]
    if kind == "weekday":
        today = next(d for d in DAYS if f"Today is {d}" in q)
        days = numbers(q)[0] * (-1 if " ago" in q else 1)
        start = datetime.date(2024, 1, 1) + datetime.timedelta(DAYS.index(today))
        return (start + datetime.timedelta(days)).strftime("%A")
    if kind == "order":
        above = {}
        for a, how, b in re.findall(r"(\w+) is (older|younger) than (\w+)\.", q):
            above[a if how == "older" else b] = b if how == "older" else a
        top = (set(above) - set(above.values())).pop()
        ranked = [top]
        while ranked[-1] in above:
            ranked.append(above[ranked[-1]])
        assert len(ranked) == len(above) + 1
        if "youngest" in q:
            ranked.reverse()
        return ranked[1 if "second" in q else 0]
    if kind == "alphabet":
        words = sorted(re.search(r"words (.*) comes", q)[1].replace(" and ", ", ").split(", "))
        return words[-1 if "last" in q else 0]
    if kind == "precedence":
        return str(eval(q.removeprefix("What is ").removesuffix("?")))
    t = numbers(q)
    d = [b - a for a, b in zip(t, t[1:])]
    second = {b - a for a, b in zip(d, d[1:])}
    if len(second) == 1:
        return str(t[-1] + d[-1] + second.pop())
    for f in (2, 3):
        add = {b - f * a for a, b in zip(t, t[1:])}
        if len(add) == 1:
            return str(f * t[-1] + add.pop())
    raise AssertionError(q)


def choice(doc):
    texts = doc["choices"]["text"]
    assert len(set(texts)) == 4 and doc["choices"]["label"] == list("ABCD")
    gold = "ABCD".index(doc["answerKey"])
    assert [not m for m in doc["distractors"]] == [i == gold for i in range(4)]
    return texts[gold] == choice_answer(doc)


def passes(program, doc):
    scope = {}
    try:
        exec(f"{program}\n{doc['test']}\ncheck({doc['entry_point']})", scope)
    except Exception:
        return False
    return True


def python(doc):
    import doctest
    assert not re.search(r"\n(class|def|#|if|print)", doc["canonical_solution"]), "cut by the task's stop strings"
    scope = {}
    exec(doc["prompt"] + doc["canonical_solution"], scope)
    runner = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(scope[doc["entry_point"]], doc["entry_point"], globs=scope):
        runner.run(test, out=lambda text: None)
    assert runner.tries >= 2 and runner.failures == 0, "examples of the docstring"
    for wrong in ("return None", "return 0", "return []", "return ''", "return True", "return {}"):
        assert not passes(doc["prompt"] + f"    {wrong}\n", doc), wrong
    return passes(doc["prompt"] + doc["canonical_solution"], doc)


SEPARATORS = {"semicolons": ";", "vertical bars": "|", "slashes": "/", "hyphens": "-", "colons": ":", "plus signs": "+"}
BRACKETS = {"square brackets": "[]", "round brackets": "()", "angle brackets": "<>", "curly brackets": "{}"}


def format_line(text, kind):
    if kind == "date":
        day, month, year = re.search(r"(\d+) ([A-Z][a-z]+) (\d{4})", text).groups()
        when = datetime.datetime.strptime(f"{day} {month} {year}", "%d %B %Y")
        if clock := re.search(r"(\d+):(\d\d) p\.m\.", text):
            when = when.replace(hour=int(clock[1]) + 12, minute=int(clock[2]))
        form = re.search(r"the form (\S+?)\.?( with|$)", text)[1]
        for a, b in (("YYYY", "%Y"), ("YY", "%y"), ("MMM", "%b"), ("MM", "%m"), ("DD", "%d"), ("hh", "%H"), ("mm", "%M")):
            form = form.replace(a, b)
        return when.strftime(form).upper()
    if kind == "json":
        out = {}
        for key, what in re.findall(r'"(\w+)" \(([^)]*)\)', text):
            values = what.split(" the text ")[-1].removeprefix("the text ")
            if what.startswith("the number"):
                out[key] = int(what.split()[-1])
            elif what.startswith("a list"):
                out[key] = what.split("texts ")[1].split(" and ")
            else:
                out[key] = values
        return json.dumps(out, separators=(",", ":"))
    separator = SEPARATORS[re.search(r"separated by ([a-z ]+?) without", text)[1]]
    if kind == "numbers":
        items = numbers(re.search(r"numbers ([\d, ]+)", text)[1])
        if "smallest to the largest" in text:
            items.sort()
        if "largest to the smallest" in text:
            items.sort(reverse=True)
        line = separator.join(f"{n:04d}" if "four digits" in text else str(n) for n in items)
        around = re.search(r"the whole line in (.*)\.", text)
        return BRACKETS[around[1]][0] + line + BRACKETS[around[1]][1] if around else line
    items = re.search(r"words ([a-z, ]+?)(?: in |, separated|, each)", text)[1].split(", ")
    if "alphabetical" in text:
        items.sort()
    if "capital" in text:
        items = [i.upper() for i in items]
    if "position" in text:
        items = [f"{n}={i}" for n, i in enumerate(items, 1)]
    return separator.join(items) + ("!" if "exclamation" in text else "")


def format(doc):
    return format_line(doc["instruction"], doc["kind"]) == doc["target"]


def fact_value(text):
    if text in ("true", "false"):
        return text == "true"
    if text.startswith("the text "):
        return text[len("the text ‹"):-1]
    if listed := re.match(r"a list of \d+ (numbers|texts): (.*)$", text):
        return [int(n) for n in listed[2].split(", ")] if listed[1] == "numbers" else re.findall("‹([^›]*)›", listed[2])
    return float(text) if "." in text else int(text)


def accepts(schema, value):
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema["type"]
    if kind == "object":
        assert schema["additionalProperties"] is False
        return (isinstance(value, dict) and all(name in value for name in schema["required"])
                and all(name in schema["properties"] and accepts(schema["properties"][name], item) for name, item in value.items()))
    if kind == "array":
        return isinstance(value, list) and schema["minItems"] <= len(value) <= schema["maxItems"] and all(accepts(schema["items"], v) for v in value)
    if kind == "string":
        return isinstance(value, str) and len(value) <= schema.get("maxLength", 10 ** 9)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return type(value) is int and schema.get("minimum", value) <= value <= schema.get("maximum", value)


def json_schema(doc):
    schema, facts = re.search(r"JSON Schema:\n(.*?)\n\nFacts:\n(.*)$", doc["question"], re.S).groups()
    assert json.loads(schema) == doc["schema"] and doc["messages"] == [{"role": "user", "content": doc["question"]}]
    out = {}
    for line in facts.split("\n"):
        path, text = line[2:].split(": ", 1)
        *parents, name = path.split(" → ")
        place = out
        for i, parent in enumerate(parents):
            if parent == "1":
                place = place[0]
            else:
                place = place.setdefault(parent, [{}] if (parents + [name])[i + 1] == "1" else {})
        place[name] = fact_value(text)
    assert not accepts(doc["schema"], {}) and not accepts(doc["schema"], {**out, "more": 1})
    return accepts(doc["schema"], out) and json.loads(doc["target"]) == out


solve = globals()[sys.argv[1]]
bad = 0
count = 0
for line in sys.stdin:
    document = json.loads(line)
    count += 1
    try:
        right = solve(document)
        why = ""
    except Exception as error:
        right, why = False, f" ({type(error).__name__}: {error})"
    if not right:
        bad += 1
        print(f"wrong gold{why}: {line.strip()[:600]}")
print(f"{count} documents, {bad} wrong")
sys.exit(bad > 0 or count == 0)
