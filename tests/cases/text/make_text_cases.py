#!/usr/bin/env python3
"""Writes regex.json, strings.json and literals.json from Python itself. Run it again after adding a case."""
import ast
import json
import os
import random
import re

HERE = os.path.dirname(os.path.abspath(__file__))

GSM = "She has 3 * 4 = 12 apples.\nThen $1,234.50 more; -7 left.\n#### 1,246.5"
SUBJECTS = [
    "", "a", "abc", "aaa", "abab", "The answer is 42.", "The answer is (B).", GSM, "#### -12\n#### 7", "#### 18",
    "line one\nline two\n", "\n", "\n\n", "a\n\nb\n", "x=1; y=22; z=-333", "foo123bar456", "CamelCaseWord",
    "naïve Ünïcödé ßtraße", "数字１２３と٣٤", "A. first\nB. second\nC. third", "```python\nprint(1)\n```\ntext",
    "a b\u00a0c\u2003d\x1ce\u180ef", "((nested) (parens))", "[[title]] and [x]", "tab\there", "x" * 30, "aXbXc",
    "The final answer is $12.00", "so the answer is (C) and not (D)", "\\boxed{12} $x$", "yes No YES no", "k\u212a s\u017f",
    "a,b;c d", "1.5e3 .5 5.", "'quoted' \"double\"", "ab12-cd34", "\x85line\u2028sep", "{2} {,3} {x}",
]
PATTERNS = [
    r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"#### (\-?[0-9\.\,]+)", r"The answer is (\-?[0-9\.\,]+).",
    r"The final answer is ((-?[$0-9.,]{2,})|(-?[0-9]+))", r"(?s).*#### ", r"\.$", r",", r"\$", r"\[.*?\]",
    r"(?<=The answer is )(.*)(?=.)", r"(?<=answer is )\(?([A-D])\)?", r"((?<=The answer is )(.*)(?=.)|(?<=the answer is )(.*)(?=.))",
    r"\(([A-Z])\)", r"([A-D])\.", r"\b([A-D])\b", r"(?i)answer is:? *\(?([a-d])", r"(?P<num>\d+)", r"(?P<a>\w)(?P=a)",
    r"```(?:python)?\n(.*?)```", r"(?s)```(?:python)?\n(.*?)```", r"a*", r"a*?", r"a+", r"", r"x*", r"\b", r"\B", r"^", r"$",
    r"(?m)^", r"(?m)$", r"(?m)^.*$", r"\Z", r"\A.", r".", r"(?s).", r"\d", r"\D+", r"\w+", r"\W+", r"\s", r"\S+", r"[\s,]+",
    r"[^\s]+", r"[\S]", r"[^\S]", r"[\d.]+", r"[\w-]+", r"[^\W\d]+", r"(?a)\w+", r"(?a)\s+", r"(?a)\d", r"[a-c]+", r"[]a]", r"[^]a]+",
    r"[[]", r"[[:alpha:]]", r"[a\-z]", r"[\]\[]", r"[-a]", r"[a-]", r"a{2}", r"a{,2}", r"a{2,}", r"a{1,2}?", r"{2}", r"{,3}", r"{x}",
    r"x{,}", r"a{", r"a{1", r"(a)|(b)", r"(a)(b)?", r"(?:a|b)+", r"(a|b)*", r"((a)|b)+", r"(a*)*", r"(a*)+", r"(?:a?)*b", r"(a)\1",
    r"(.)\1", r"(.)(.)\2\1", r"(a)?(?(1)b|c)", r"(?P<q>['\"])?\w+(?(q)['\"]|)", r"(?=a)", r"(?!a).", r"(?<!a)b", r"(?<=a)b", r"(?<=\d)(?=\d)",
    r"(?>a+)a", r"a++", r"a?+a", r"(?i)[A-Z]+", r"(?i)STRASSE", r"(?i)k", r"(?i)s", r"(?i:ABC)|x", r"(?-i:a)", r"(?s:.)+", r"(?x) a  b # comment", r"(?x)[a b] # c",
    r"\x41", r"\u00e9", r"\U0001F600|a", r"\101", r"\0", r"\t", r"\n", r"[\b]", r"\.", r"\-", r"\#", r"(?#comment)a", r"a(?#x)*",
    r"\N", r"\q", r"\e", r"\1", r"(", r")", r"[", r"a**", r"*a", r"+", r"?", r"a|*", r"(?P<n>a)(?P<n>b)", r"(?P=x)", r"(?<n>a)", r"(?P>n)", r"(*FAIL)", r"a(?i)b",
    r"\x4", r"\u12", r"[z-a]", r"[\d-z]", r"[a-\d]", r"^*", r"$*", r"\b+", r"(?=a)*", r"(?:)*", r"(a\1)", r"(?(2)a|b)", r"(?(1)a|b|c)", r"a{3,2}", r"(?z)a", r"(?i-i:a)", r"\p{L}", r"\h", r"\R", r"\K",
    r"((2|a)*+b)?", r"|(a*b)*+c", r"(?(1)a|b)(c)?", r"(?x)a{2} ?",
    r"([^,;]+)", r"(?:Question:|Q:)\s*(.*)", r"\s*\n\s*", r"[,;\s]", r"(\W)", r"(?m)^([A-D])\. (.*)$", r"answer is\s*\$?(-?\d[\d,]*\.?\d*)",
    r"(?i)(?:the )?(?:final )?answer is:?\s*(.+?)(?:\.|$)", r"\\boxed\{(.*?)\}", r"[^\x00-\x7f]+", r"[а-я]|[ß-ü]", r"[\u3000-\u9fff]+", r"[一-龥]+", r"é|ï",
]
REPLACEMENTS = ["", "-", r"[\g<0>]", r"<\1>", r"\g<num>!", r"\n\t\\", r"\x", r"\.", r"\9", r"\g<1>\g<1>", r"\101\0", "é", r"\g<", "\\"]


def attempt(function):
    try:
        return {"value": function()}
    except (re.error, IndexError) as e:
        return {"error": str(e)}


def regex_cases():
    rng = random.Random(7)
    cases = []
    for pattern in PATTERNS:
        try:
            compiled = re.compile(pattern)
        except (re.error, OverflowError) as e:
            cases.append({"pattern": pattern, "error": str(e)})
            continue
        rows = []
        for subject in SUBJECTS:
            found = compiled.search(subject)
            if not found:
                continue
            anchored = compiled.match(subject)
            replacement = rng.choice(REPLACEMENTS)
            count = rng.choice([0, 0, 1, 2])
            rows.append({
                "subject": SUBJECTS.index(subject),
                "search": [found.start(), found.end(), list((found.group(0),) + found.groups())],
                "match": None if not anchored else anchored.group(0),
                "findall": [list(m) if isinstance(m, tuple) else [m] for m in compiled.findall(subject)],
                "split": [p or "" for p in compiled.split(subject)],
                "replacement": replacement, "count": count,
                "sub": attempt(lambda: compiled.sub(replacement, subject, count=count)),
            })
        cases.append({"pattern": pattern, "rows": rows})
    return {"subjects": SUBJECTS, "cases": cases}


STRINGS = SUBJECTS + [
    "ß", "ŉ", "ǰ", "ﬁ ﬂ", "İstanbul", "ΑΣ", "ΑΣ ΒΣ.", "ΣΑΣ'Σ", "ΑΣ\u0301", "ΑΣ\u0301Β", "ǆ ǅ Ǆ", "they're BILL's friends", "hello wORLD 3rd",
    "ªº", "ⅷ Ⅷ ⓐ", "ﬃ", "ᾳ ᾼ", "\x1c\x1d strip\x1f", "\u200bzero\u200b", "\ufeffbom", "é", "e\u0301", "ÀÉÎ", "ÿ", "µ", "ſ", "straße", "\u1e9e", "x\u3000", "\t\n x \r\v\f",
    "it's", 'say "hi"', "both ' and \"", "back\\slash", "nul\0", "\x7f\x80\xa0\xad", "\u2028\u2029\u202e", "\ue000", "\U0001f600", "\U000e0001", "\u0378", "\ufffe", "\U0010ffff", "a\r\nb", "\x1b[31mred",
]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1 / 3, 1e15, 1e16, 1e17, 123456789012345680.0, 1e22, 1e23, 1e-4, 1e-5, 0.00012, 1.5e-7, 5e-324,
          1.7976931348623157e308, 9007199254740993.0, 100.0, 1e100, 12345.678, float("inf"), float("-inf")]


def string_cases():
    return {
        "strings": [{"in": s, "lower": s.lower(), "upper": s.upper(), "capitalize": s.capitalize(), "title": s.title(), "swapcase": s.swapcase(),
                     "strip": s.strip(), "lstrip": s.lstrip(), "rstrip": s.rstrip(), "strip_chars": s.strip("aβ .é"), "repr": repr(s), "length": len(s)} for s in STRINGS],
        "floats": [[f.hex(), repr(f)] for f in FLOATS],
        "values": [[v, repr(v)] for v in [None, True, False, 0, -5, 2**63 - 1, [], {}, [1, "a", None], {"a": [1, 2.5], "b'": {"c": True}}, [[], [[]]], "x", [1e16, -0.0]]],
    }


LITERALS = [
    "1", " 1", "-1", "+1", "--1", "0x1F", "0o17", "0b101", "1_000", "1__0", "_1", "1_", "007", "00", "0_0", "1.5", ".5", "5.", "1e3", "1E-3", "1.5e+3", "1e", "1.e2", "-0.0", "1j", "0x", "0xg",
    "'a'", '"a"', "'it\\'s'", "'a' 'b'", "'''x\ny'''", '"""q"""', "'\\n\\t\\\\\\x41\\u00e9\\U0001F600\\101\\0'", "r'\\n'", "R'\\''", "u'x'", "b'x'", "f'x'", "rb'x'", "'\\q'", "'\\x4'", "'\\N{DASH}'", "'a", "'a\nb'", "'\\\n'",
    "[]", "[1, 2]", "[1, 2,]", "[,]", "[1 2]", "[1,,2]", "()", "(1)", "(1,)", "(1, 2)", "1, 2", "1,", "{}", "{'a': 1}", "{'a': 1, 'a': 2}", "{1, 2}", "{'a'}", "{'a': 1, 'b'}", "{[]: 1}", "set()", "None", "True", "False", "none", "Nonee", "None1",
    "['a', \"b's\", None, True, [1.5, (2,)], {'k': [1]}]", "[1, # c\n 2]", "[\n1\n]", "1 # c", "1\n", "1 2", "\n1", "", "  ", "foo", "foo()", "1+1", "[1, foo]", "[1", "1]", "(1, 2", "'a' 1", "[['A', 'B'], ['C']]", "[\"a\\'b\"]", "['\\u2028', 'é']", "-True", "- 1", "[-1, +2.0]", "9223372036854775807", "-9223372036854775808", "['a' 'b', 'c']", "{'a':{}}", "{**{}}", "[*[]]", "1if 1 else 2",
    "[" * 150 + "]" * 150,
]


def plain(value):
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return [plain(v) for v in sorted(value)]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value


# Python accepts these; we say clearly that we do not (bytes, complex numbers, named escapes).
REFUSED = {"b'x'", "rb'x'", "1j", "'\\N{DASH}'"}


def literal_cases():
    cases = []
    for text in LITERALS:
        try:
            if text in REFUSED:
                raise ValueError
            cases.append({"in": text, "value": plain(ast.literal_eval(text))})
        except (ValueError, SyntaxError, TypeError, MemoryError):
            cases.append({"in": text, "error": True})
    return cases


def write(name, value):
    with open(os.path.join(HERE, name), "w", encoding="utf-8") as f:
        json.dump(value, f, ensure_ascii=True, separators=(",", ":"))
        f.write("\n")


if __name__ == "__main__":
    import warnings
    warnings.simplefilter("ignore")
    write("regex.json", regex_cases())
    write("strings.json", string_cases())
    write("literals.json", literal_cases())
