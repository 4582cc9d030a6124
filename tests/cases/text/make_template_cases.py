#!/usr/bin/env python3
"""Writes templates.json: what Jinja2 3.1.6 renders, set up as lm-evaluation-harness sets it up."""
import itertools
import json
import os
import re

import jinja2

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
ENV.filters["regex_replace"] = lambda string, pattern, repl, count=0: re.sub(pattern, repl, string, count=count)

DOC = {
    "question": "  What is 2+2?\n", "answer": "It is 4.\n#### 4", "goal": "Open it", "sol1": "Pull", "sol2": "Push", "label": 1, "text": "Naïve ÜBER straße",
    "choices": {"text": ["a cat", "it's", 'say "hi"', "both ' and \""], "label": ["A", "B", "C", "D"]}, "answerKey": "B", "options": ["x", "y", "z"],
    "nested": [[1, [2, 3]], ["a", None], {"k": True}], "test_list": ["assert f(1) == 2", "assert f(2) == 3", "assert f(3) == 4"],
    "n": 7, "neg": -7, "f": 2.5, "big": 1e16, "tiny": 1e-05, "zero": 0, "nz": -0.0, "none_value": None, "yes": True, "no": False, "empty": "", "el": [], "ed": {},
    "special": "tab\there \x1b[0m nul\x00 \x7f \u00a0 \u200b \ue000 \U0001f600 \\ back", "items": [{"name": "b", "v": 2}, {"name": "A", "v": 1}, {"name": "c", "v": 3}],
    "d": {"one": 1, "two": 2, "items": "shadowed"}, "words": "The quick  brown\tfox", "csv": "a,b,,c", "lines": "l1\nl2\r\nl3\n", "html": "<b>&'\"</b>", "uni": "日本語テキスト", "num_str": " 42 ", "float_str": "3.7",
    "mixed": ["b", "A", "c", "B"], "nums": [3, 1, 2, 1], "floats": [1.5, 2.25, -0.5], "subject": "high_school_physics", "ctx": "He _ the ball", "code": "def f(x):\n    return x\n",
}

T = []


def add(*templates):
    T.extend(templates)


# Protocols of the task table.
add("Question: {{question}}\nAnswer:", "{{answer}}", "{{answer.split('####')[-1].strip()}}", "Q: {{question}}\nA: Let's think step by step.", "{{choices.label.index(answerKey)}}",
    "{{choices.text}}", "{{choices['text']}}", "Question: {{goal}}\nAnswer:", "{{[sol1, sol2]}}", "{{label}}", "{{test_list[0]}}\n{{test_list[1]}}\n{{test_list[2]}}\n[BEGIN]\n",
    "You are an expert Python programmer, and here is your task: {{text}} Your code should pass these tests:\n\n{{test_list[0]}}\n{{test_list[1]}}\n{{test_list[2]}}\n[BEGIN]\n",
    "{{question.strip()}}\nA. {{choices.text[0]}}\nB. {{choices.text[1]}}\nC. {{choices.text[2]}}\nD. {{choices.text[3]}}\nAnswer:",
    "The following are multiple choice questions (with answers) about {{subject.replace('_', ' ')}}.\n\n", "{{ctx[:ctx.index('_')] + 'threw'}}", "{{ctx[ctx.index('_')+1:]}}", "{{ctx.split('_')}}",
    "{% set parts = ctx.split('_') %}{{parts[0]}}|{{parts[1]}}", "{{code}}\n[DONE]", "Here is the completed function:\n```python\n{{code}}\n", "{{'ABCD'[label]}}", "{{['A','B','C','D'][label]}}",
    "{% for o in options %}{{loop.index}}. {{o}}\n{% endfor %}Answer:", "{% for o in options -%}\n{{ 'ABC'[loop.index0] }}. {{ o }}\n{% endfor -%}\nAnswer:",
    "{{ options|map('upper')|list }}", "{{ '\\n'.join(options) }}", "{{ options|join(', ') }}", "{% if label is defined and label == 1 %}yes{% else %}no{% endif %}", "{{ 'T' if yes else 'F' }}",
    "{% if none_value is none %}is none{% endif %}", "{{ none_value is not none and none_value or 'fallback' }}", "{{answer|regex_replace('#### ', '')}}", "{{answer|regex_replace('(\\\\d)', '<\\\\1>', 1)}}", "{{ special }}", "{{ [special] }}", "{{ uni }}{{ [uni] }}",
    "{{ choices.text | string }}", "{{choices.text|length}}", "{{ range(choices.text|length)|list }}", "{% set letters = ['A','B','C'] %}{% for i in range(3) %}{{letters[i]}}: {{options[i]}}{% if not loop.last %}, {% endif %}{% endfor %}")

# White-space control, comments, raw.
for begin, end in itertools.product(["{%", "{%-", "{%+"], ["%}", "-%}", "+%}"]):
    add(f"a \n {begin} if yes {end} \n b \n {begin} endif {end} \n c\n")
for begin, end in itertools.product(["{{", "{{-"], ["}}", "-}}"]):
    add(f" \n x {begin} n {end} \t\n y \n", f"{begin}n{end}\n\n")
for begin, end in itertools.product(["{#", "{#-", "{#+"], ["#}", "-#}"]):
    add(f"a \n {begin} comment {{{{ x }}}} {end} \n b")
add("{% raw %} {{ x }} {% if %}{% endraw %}", "a {%- raw -%} {{ x }} {%- endraw -%} b", "{% raw %}{% endraw %}", "{%raw%}{{{%endraw%}", "\n", "", "\n\n", "text\n", "a\r\nb\rc", "{ { x } }", "{{ '{{' }}", "{{ '}}' }}", "{{ \"%}\" }}", "{%if yes%}x{%endif%}",
    "{% if yes %}\n  x\n{% endif %}\n", "  {% if yes %}x{% endif %}\n", "{{-1}}", "{{+1}}", "{{ -1 }}", "x{#c#}y", "#}", "%}", "}}", "a}b", "{{n}}}", "{{{n}}}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ {'a': {}} }}", "{{ {} }}", "\u00a0{{- n -}}\u2003x", "{% set x = 1 -%}   \n  {{ x }}",
    "line {# multi\nline #} end", "{{ n }}\n{% if no %}{% endif %}\n{{ n }}", "\t{%- set a = 1 %}\t{{ a }}")

# Literals and printing.
add("{{ none }} {{ None }} {{ true }} {{ False }}", "{{ 1.0 }} {{ 1e3 }} {{ 1.5e-7 }} {{ 1E5 }} {{ 100000000000000000000.0 }}", "{{ 1_000 }} {{ 0x1f }} {{ 0b11 }} {{ 0o17 }} {{ 00 }}", "{{ big }} {{ tiny }} {{ nz }} {{ f }} {{ 1/3 }}", "{{ [1, 2.0, 'a', none, true, (1,), (), {'a': 1}] }}",
    "{{ (1, 2) }} {{ 1, 2 }} {{ (1,) }} {{ () }}", "{{ [] }} {{ {} }} {{ '' }} {{ [''] }}", "{{ nested }}", "{{ choices }}", "{{ 'a' 'b' }}", "{{ 'tab\\t nl\\n q\\' b\\\\ x\\x41 u\\u00e9 o\\101 bad\\q' }}", '{{ "dq \\" \'" }}', "{{ ['it\\'s', \"d\\\"q\", 'both \\' \\\"'] }}",
    "{{ '\\u2028' }}{{ ['\\u2028', '\\xa0', '\\xad', '\\x00'] }}", "{{ 'é' }}{{ ['é', '日'] }}", "{{ 9223372036854775807 }}", "{{ yes }}{{ no }}{{ none_value }}{{ empty }}{{ el }}{{ ed }}", "{{ [yes, no, none_value] }}", "{{ {1: 'a', 2.5: 'b', none: 'c', true: 'd'} }}", "{{ [1,2,] }}{{ {'a':1,} }}{{ (1,2,) }}", "{{ floats }} {{ [big, tiny, nz] }}",
    "{{ 'line\ncontinues' }}", "{{ 1.5.is_integer() }}", "{{ 12 }}")

# Operators.
for e in ["7 / 2", "7 // 2", "-7 // 2", "7 % 3", "-7 % 3", "7 % -3", "7.5 % 2", "-7.5 // 2", "2 ** 10", "2 ** -1", "2 ** 3 ** 2", "-2 ** 2", "4 ** 0.5", "1 + 2 * 3", "(1 + 2) * 3", "10 - 2 - 3", "2 * 3 % 4", "6 / 3", "1 / 0", "1 % 0", "1 // 0.0",
          "'a' + 'b'", "'a' ~ 1 ~ none", "'a' * 3", "3 * 'ab'", "[1] + [2]", "[0] * 3", "(1,) + (2,)", "'a' + 1", "1 + 'a'", "[1] + (2,)", "none + 1", "'-' * 0", "-'a'", "true + true", "1 == 1.0", "1 == true", "'1' == 1", "[1] == [1.0]", "(1,) == [1]", "{'a': 1} == {'a': 1.0}",
          "1 < 2 < 3", "1 < 3 < 2", "1 < 2 == true", "'a' < 'b'", "'a' < 1", "[1, 2] < [1, 3]", "none < 1", "1 != 2", "2 >= 2", "2 <= 1", "'a' in 'abc'", "1 in [1, 2]", "'x' not in options", "'one' in d", "1 in 'a'", "1 in 5", "3 in range(5)", "5 in range(0, 10, 3)", "not 1", "not ''", "not not 3",
          "1 and 2", "0 and 2", "0 or 'x'", "'' or [] or 'z'", "1 or missing", "0 and missing", "1 if true else 2", "1 if false else 2", "1 if false else 2 if false else 3", "1 if false", "(1 if false) is defined", "'a' if n > 5 else 'b'", "n == 7 and f == 2.5 or no", "-n", "+n", "+'a'", "-f", "- -n", "not n == 7",
          "1 - 1.0", "0.1 + 0.2", "1e308 * 10", "7 // 2.0", "-0.0", "0 * -1.0", "5 - -3", "2 - 1 ~ 'x'", "1 ~ 2 + 3", "'%s-%d' % ('a', 3)", "'%5.2f|%-5s|%05d|%+d|%x|%%' % (3.14159, 'ab', 42, 5, 255)", "'%s' % [1, 2]", "'%r %s' % ('a', none)", "'%(a)s' % {'a': 1}", "'%s %s' % ('a',)", "'%d' % 'a'", "'%s' % ('a', 'b')", "'%e %g %G' % (12345.678, 0.0001, 1e20)", "'%c%c' % (65, 'b')", "'%*d' % (5, 42)", "'%.3s|' % 'abcdef'", "'%i' % 3.9", "'%5s|%-5s|' % ('é', 'é')", "'%#x %o' % (255, 8)",
          "(2 ** 3) ** 2", "1 // 3 * 3 + 1 % 3", "[3, 4][0] - 1", "n / 2", "n * 1.0", "(n, f) == (7, 2.5)", "options == ['x', 'y', 'z']", "2 in (1, 2)", "('a', 1) in d.items()", "none == none", "none in [none]", "true == 1 and false == 0", "'b' > 'a' > 'A'"]:
    add("{{ " + e + " }}")

# Access, slices.
for e in ["choices.text[0]", "choices.text[-1]", "choices.text[10]", "choices.missing", "choices['missing']", "missing", "missing.x", "missing[0]", "n.x", "none_value.x", "none_value[0]", "d.items", "d['items']", "d.one", "d['one']", "d.get('one')", "d.get('x')", "d.get('x', 5)", "d.keys()", "d.values()", "d.items()", "d.keys()|list", "d.items()|list",
          "options[1:]", "options[:2]", "options[::-1]", "options[-2:]", "options[5:]", "options[:-5]", "options[::2]", "options[2:0:-1]", "options[1:1]", "options[::0]", "uni[0]", "uni[-1]", "uni[1:3]", "uni[::-1]", "uni[::2]", "uni[100:]", "text[0:5]", "text[-6:]", "'abc'[5]", "'abc'[5] is defined", "(1, 2, 3)[1:]", "range(10)[2:5]", "range(5)[-1]",
          "nested.0", "nested.0.1.0", "nested[0][1][0]", "nested[2].k", "nested[0:1][0]", "items[0].name", "items[0]['v']", "d[n]", "options['x']", "options[1.5]", "options[true]", "options.0", "options.x", "question.strip()[0]", "question.strip().split()[-1]", "options['index']('y')", "d[('a',)]", "d[[1]]", "'abc'.foo", "options[missing]", "5[0]", "none[0] is defined", "nested[9][9]", "choices.text[0][0:3]", "options[-9:2]", "options[9:-9:-1]", "options[:-1:1]", "options[none:2]", "options['a':]"]:
    add("{{ " + e + " }}")

# Methods.
for e in ["words.split()", "words.split(' ')", "words.split(' ', 1)", "words.split(none, 1)", "words.rsplit(none, 1)", "csv.split(',')", "csv.split(',', 2)", "csv.rsplit(',', 2)", "csv.rsplit(',')", "csv.split('')", "''.split()", "''.split(',')", "'  a b '.split(maxsplit=0)", "lines.splitlines()", "lines.splitlines(true)", "'a\\x0bb\\x85c\\u2028d'.splitlines()",
          "','.join(options)", "''.join(['a', 1])", "'-'.join('abc')", "csv.replace(',', ';')", "csv.replace(',', ';', 1)", "'abc'.replace('', '-')", "'abc'.replace('', '-', 2)", "''.replace('', 'x')", "text.lower()", "text.upper()", "text.capitalize()", "text.title()", "text.swapcase()", "text.casefold()", "\"they're bill's\".title()",
          "'x'.center(5)", "'x'.center(4, '*')", "'xx'.center(5, '*')", "'x'.ljust(3) ~ '|'", "'x'.rjust(3)", "'42'.zfill(5)", "'-42'.zfill(5)", "'+'.zfill(3)", "'abc'.find('c')", "'abc'.find('z')", "'abcabc'.rfind('c')", "'abc'.index('z')", "'abcabc'.index('c', 3)", "'aaa'.count('a')", "'aaaa'.count('aa')", "'abc'.count('')", "uni.find('語')", "uni.index('テ')", "uni.count('')", "'abc'.find('b', -2)", "'abc'.find('', 3)", "'abc'.find('', 4)",
          "'abc'.startswith('a')", "'abc'.endswith(('x', 'c'))", "'abc'.startswith('b', 1)", "'abc'.startswith(['a'])", "'abc'.removeprefix('a')", "'abc'.removesuffix('bc')", "'abc'.removesuffix('x')", "'  a '.strip() ~ '|'", "'xxaxx'.strip('x')", "'xyaz'.lstrip('xy')", "'abba'.rstrip('ab')", "'a '.strip('') ~ '|'", "' \\u3000a\\x1c'.strip()",
          "'12'.isdigit()", "'²'.isdigit()", "'²'.isdecimal()", "'½'.isnumeric()", "''.isdigit()", "'ab'.isalpha()", "'a1'.isalpha()", "'a1'.isalnum()", "' \\n'.isspace()", "'AB'.isupper()", "'aB'.islower()", "'Ab Cd'.istitle()", "'abc'.isascii()", "'a_b'.isidentifier()", "'a=b=c'.partition('=')", "'a=b=c'.rpartition('=')", "'abc'.partition('x')",
          "'{} {}'.format(1, 'a')", "'{0}{1}{0}'.format('a', 'b')", "'{x}'.format(x=5)", "'{:.2f}'.format(3.14159)", "'{:>8}|{:<8}|{:^8}|'.format('a', 'b', 'c')", "'{:,}'.format(1234567)", "'{:08.3f}'.format(-3.14159)", "'{:+d}'.format(5)", "'{:x} {:X} {:b} {:o} {:#x}'.format(255, 255, 5, 8, 255)", "'{:%}'.format(0.25)", "'{:.1%}'.format(0.256)", "'{:e}'.format(12345.678)", "'{:g}'.format(0.00001)", "'{!r}'.format('a')", "'{{}}'.format()", "'{}'.format()", "'{a.b}'.format(a=1)", "'{0[1]}'.format([1, 2])", "'{:*^9}'.format('mid')", "'{:{w}}|'.format('a', w=4)", "'{:d}'.format('a')", "'{'.format()", "'{:.3}'.format('abcdef')", "'{:.3}'.format(3.14159)", "'{:.2}'.format(123.0)", "'{:5}'.format(true)", "'{}'.format(none)", "'{:5}'.format(none)", "'{:_}'.format(1234567)", "'{:,.2f}'.format(1234567.891)", "'{:<05}|'.format(3)", "'{:05}'.format('a')", "'{:c}'.format(65)",
          "options.index('y')", "options.index('q')", "options.index('z', 1)", "nums.count(1)", "[1, 2].append(3)", "(1, 2).index(2)", "(1, 1).count(1)", "{'a': 1}.pop('a')", "{'a': 1}.pop('b', 2)", "{'a': 1}.pop('b')", "[1, 2].pop()", "[].pop()", "{'a': 1}.copy()", "{'a': 1}.setdefault('b', 2)", "'abc'.split('b').index('c')", "'a'.upper().lower()", "'x'.nope()", "n()", "options()", "'abc'.strip(1)", "'abc'.join(5)", "d.get()", "'a'.replace('a')", "range(3)|list"]:
    add("{{ " + e + " }}")

# Filters.
for e in ["question|trim", "'xax'|trim('x')", "question|length", "uni|length", "options|count", "d|length", "n|length", "missing|length", "text|upper", "text|lower", "text|capitalize", "text|title", "\"they're (bill's) foo-bar\"|title", "csv|replace(',', ';')", "csv|replace(',', ';', 1)", "n|replace('7', '8')", "missing|default('x')", "missing|d", "empty|default('x')", "empty|default('x', true)", "none_value|default('x')", "none_value|default('x', boolean=true)", "choices.missing|default('y')", "missing.x|default('y')",
          "num_str|int", "'x'|int", "'x'|int(5)", "float_str|int", "'0x1f'|int(base=16)", "'1_0'|int", "none|int", "f|int", "true|int", "'3.5'|float", "'x'|float", "'x'|float(1.5)", "'1e3'|float", "' inf '|float", "'nan'|float", "n|float", "none|float(2.0)", "n|string", "options|string|length", "none|string", "'abc'|list", "d|list", "n|list", "range(3)|list", "options|first", "options|last", "[]|first", "[]|last", "'abc'|first", "'abc'|last", "[]|first is defined",
          "mixed|sort", "mixed|sort(case_sensitive=true)", "mixed|sort(reverse=true)", "nums|sort", "items|sort(attribute='name')", "items|sort(attribute='v', reverse=true)|map(attribute='name')|list", "[1, 'a']|sort", "mixed|unique|list", "mixed|unique(case_sensitive=true)|list", "nums|unique|list", "items|unique(attribute='v')|list", "options|reverse|list", "'abc'|reverse", "nums|sum", "floats|sum", "[]|sum", "items|sum(attribute='v')", "nums|sum(start=10)", "['a']|sum", "nums|min", "nums|max", "mixed|min", "mixed|max", "items|max(attribute='v')", "[]|max", "[[1], [2]]|sum(start=[])",
          "3.14159|round(2)", "2.5|round", "3.5|round", "2.675|round(2)", "7|round", "7|round(1)", "3.2|round(0, 'ceil')", "3.7|round(method='floor')", "-2.5|round", "1234|round(-2)", "1234.5|round(-2)", "'a'|round", "1e300|round(2)", "n|abs", "neg|abs", "-2.5|abs", "'a'|abs", "options|join", "options|join('-')", "nums|join(', ')", "items|join(', ', attribute='name')", "'abc'|join('.')", "[none, true, 1.0]|join(' ')", "[missing]|join", "5|join",
          "options|map('upper')|list", "options|map('replace', 'x', 'Q')|list", "items|map(attribute='name')|list", "items|map(attribute='z')|list", "items|map(attribute='z', default='?')|list", "nested|map('length')|list", "[1.5]|map('round')|list", "options|map('nofilter')|list", "options|map|list", "nums|select('odd')|list", "nums|select('gt', 1)|list", "nums|select('==', 1)|list", "[0, 1, '', 'a', none]|select|list", "[0, 1, '']|reject|list", "nums|reject('odd')|list", "items|selectattr('v', 'ge', 2)|map(attribute='name')|list", "items|selectattr('name')|list|length", "items|rejectattr('v', 'equalto', 1)|list", "items|selectattr('zz', 'defined')|list", "nums|select('notest')|list", "choices.text|map(attribute=0)|list", "['ab']|map('first')|list", "['a', 'b']|map('upper')|join('|')", "[[1, 2], [3]]|map('sum')|list", "[[1, 2], [3]]|map('first')|list",
          "html|e", "html|escape|e", "html|forceescape", "html|safe", "(html|e) + '<'", "html|e|upper", "n|e", "[html|e]", "d|tojson", "options|tojson", "html|tojson", "{'b': [1, 2.0, none, true], 'a': 'é'}|tojson", "{'a': [1, {'b': 2}]}|tojson(indent=2)", "[]|tojson(2)", "missing|tojson", "1e16|tojson", "uni|tojson", "special|tojson", "lines|indent", "lines|indent(2, true)", "'a\\n\\nb'|indent(2, blank=true)", "'a\\nb'|indent('> ')", "nums|batch(2)|list", "nums|batch(3, 'x')|list", "range(7)|slice(3)|list", "range(7)|slice(3, 'x')|list", "d|items|list", "missing|items|list", "d|dictsort", "{'b': 1, 'A': 2}|dictsort", "{'b': 1, 'A': 2}|dictsort(true)", "{'b': 1, 'a': 2}|dictsort(by='value')", "{'b': 1, 'a': 2}|dictsort(reverse=true)", "words|wordcount", "'naïve café'|wordcount", "'Hello wonderful world'|truncate(11)", "'Hello wonderful world'|truncate(11, true)", "'Hello wonderful world'|truncate(11, false, '!', 0)", "'short'|truncate(3)", "'%s is %d'|format('x', 3)", "'%(a)s'|format(a=1)", "'x'|center(5) ~ '|'", "'a b&c/d é'|urlencode", "{'a b': 'c&d', 'x': 1}|urlencode", "[('a', 1), ('b', 'é')]|urlencode", "'a1b22'|regex_replace('[0-9]+', '#')", "'abc'|nofilter", "items|groupby('v')|list", "items|groupby('name')|map(attribute=0)|list", "d|attr('one')", "5|string", "nums|length", "1|default(2)|string ~ 'x'", "-1|abs", "(-1)|abs", "2 + 3|abs", "'a'|upper ~ 'b'|upper", "options|list|last|upper", "options|length > 2", "not options|length", "'abc'|list|reverse|join", "nums|sort|reverse|list", "'b,a'.split(',')|sort|join(',')"]:
    add("{{ " + e + " }}")

# Tests.
for e in ["n is defined", "missing is defined", "missing is undefined", "missing is not defined", "choices.x is defined", "none_value is none", "missing is none", "n is number", "f is number", "yes is number", "'1' is number", "n is integer", "yes is integer", "f is integer", "f is float", "n is float", "text is string", "n is string", "yes is boolean", "n is boolean", "yes is true", "yes is false", "1 is true", "d is mapping", "options is mapping", "options is sequence", "text is sequence", "n is sequence", "options is iterable", "n is iterable", "4 is even", "4 is odd", "-3 is odd", "2.0 is even", "'a' is even", "9 is divisibleby 3", "9 is divisibleby(2)", "n is eq 7", "n is eq(8)", "n is equalto 7", "n is ne 7", "n is lt 8", "n is ge 7", "'x' is in options", "n is in [1, 7]", "'a' is not in options", "'ABC' is upper", "'aBC' is lower", "n is sameas n", "none is sameas none", "range is callable", "n is callable", "'upper' is filter", "'odd' is test", "n is notest", "n is defined and n > 3", "not missing is defined", "n is defined is defined", "missing is string", "missing is even", "missing is iterable", "'a'|e is escaped", "n is not none and n is number", "(n if yes else f) is integer", "options[5] is defined", "options[0] is defined", "none_value is defined", "n is defined or missing", "1 is eq 1 and 2 is eq 2"]:
    add("{{ " + e + " }}")

# Statements.
add("{% for x in options %}{{ x }}{% else %}none{% endfor %}", "{% for x in el %}{{ x }}{% else %}none{% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k in d %}{{ k }} {% endfor %}", "{% for c in 'añb' %}[{{ c }}]{% endfor %}", "{% for x in nums if x > 1 %}{{ loop.index }}/{{ loop.length }}:{{ x }} {% endfor %}", "{% for x in n %}{% endfor %}", "{% for x in missing %}{% endfor %}", "{% for a, b in [(1, 2), (3, 4)] %}{{ a + b }},{% endfor %}", "{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, b in [(1, 2, 3)] %}{% endfor %}",
    "{% for x in options %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.depth }}{{ loop.depth0 }} {% endfor %}", "{% for x in options %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in nums %}{{ loop.changed(x) }} {% endfor %}", "{% for x in options %}{{ loop.previtem is defined }}{{ loop.nextitem|default('-') }} {% endfor %}", "{% for x in [1,2] %}{% for y in [3,4] %}{{ loop.depth }}{{ x }}{{ y }} {% endfor %}{{ loop.index }}{% endfor %}", "{% for x in options %}{{ loop.nope }}{% endfor %}", "{{ loop }}",
    "{% for i in range(3) %}{{ i }}{% endfor %}{{ i }}", "{% set x = 1 %}{% for i in [1,2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}", "{% for i in [1,2,3] %}{% if loop.first %}{% set y = 1 %}{% endif %}{{ y is defined }}{% endfor %}", "{% if yes %}{% set x = 3 %}{% endif %}{{ x }}", "{% if no %}{% set x = 3 %}{% endif %}{{ x is defined }}", "{% set ns = namespace(c=0) %}{% for i in nums %}{% set ns.c = ns.c + i %}{% endfor %}{{ ns.c }}", "{% set ns = namespace() %}{{ ns.x }}", "{% set ns = namespace(x=1) %}{{ ns.x is defined }}{{ ns.y is defined }}", "{% set d.x = 1 %}", "{% set a, b = 1, 2 %}{{ a }}{{ b }}", "{% set a = 1, 2 %}{{ a }}", "{% set x %}block {{ n }}{% endset %}[{{ x }}]", "{% set x | upper %}block{% endset %}{{ x }}", "{% set x | replace('b', 'c') | upper %}block{% endset %}{{ x }}", "{% set x = [] %}{% set _ = x.append(1) %}{{ x }}", "{% set l = [] %}{% for i in nums %}{{ l.append(i) or '' }}{% endfor %}{{ l }}",
    "{% if n > 5 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if n > 8 %}a{% elif n > 3 %}b{% else %}c{% endif %}", "{% if no %}a{% elif no %}b{% endif %}", "{% if missing %}x{% endif %}", "{% if missing is defined and missing %}x{% endif %}", "{% if not missing %}x{% endif %}", "{% if el or ed or empty or zero %}x{% else %}falsy{% endif %}", "{% if '0' %}t{% endif %}{% if 0.0 %}f{% endif %}", "{% if d.items() %}t{% endif %}", "{% if (1, 2) %}t{% endif %}", "{% if 1, 0 %}t{% endif %}",
    "{% macro m(a, b=2) %}{{ a }}-{{ b }}{% endmacro %}{{ m(1) }} {{ m(1, 3) }} {{ m(a=5, b=6) }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m() }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}", "{% macro m() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, x=3) }}", "{% macro m(a) %}x{% endmacro %}{{ m(1, 2) }}", "{% macro m() %}{{ n }}{% endmacro %}{{ m() }}", "{% macro m() %}<{{ caller() }}>{% endmacro %}{% call m() %}in {{ n }}{% endcall %}", "{% macro m(x) %}<{{ caller(x) }}>{% endmacro %}{% call(y) m(5) %}got {{ y }}{% endcall %}", "{% macro fact(k) %}{{ 1 if k <= 1 else k * fact(k - 1)|int }}{% endmacro %}{{ fact(5) }}", "{% macro m(x, y=x) %}{{ y }}{% endmacro %}{{ m(3) }}", "{% set x = 1 %}{% macro m() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ m() }}", "{% macro m(a, b=1, c) %}{% endmacro %}", "{{ m() }}{% macro m() %}x{% endmacro %}", "{% macro m() %} {% endmacro %}[{{ m() }}]",
    "{% filter upper %}abc {{ n }}{% endfilter %}", "{% filter replace('a', 'b') | upper %}abca{% endfilter %}", "{% with a = 1, b = 2 %}{{ a + b }}{% endwith %}", "{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q is defined }}", "{% set a = 5 %}{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}", "{% print n %}", "{% print(n, 1) %}", "{{ range(5)|list }}{{ range(1, 4)|list }}{{ range(10, 0, -3)|list }}", "{{ range(3) }}{{ range(0, 6, 2) }}", "{{ range() }}", "{{ range(1, 2, 0) }}", "{{ dict(a=1, b='x') }}", "{{ dict([('a', 1)]) }}", "{{ dict({'a': 1}, b=2) }}", "{{ foo(1) }}", "{{ n }}",
    "{% set lst = nums|map('string')|list %}{{ lst }}", "{% set g = nums|map('string') %}{{ g|join }}{{ g|join }}", "{% for a in nums %}{% for b in nums %}{% if a < b %}{{ a }}{{ b }} {% endif %}{% endfor %}{% endfor %}", "{% set s = namespace(out='') %}{% for w in words.split() %}{% set s.out = s.out ~ w[0] %}{% endfor %}{{ s.out }}", "{{ options|join(', ') if options else 'none' }}", "{% for key, group in items|groupby('v') %}{{ key }}:{{ group|length }} {% endfor %}", "{% for x in options|reverse %}{{ x }}{% endfor %}", "{% for x in d.values() %}{{ x }},{% endfor %}", "{% for row in nums|batch(2) %}{{ row }}{% endfor %}", "{% for i in range(options|length) %}{{ loop.index }}.{{ options[i] }}{{ '\\n' if not loop.last else '' }}{% endfor %}", "{{ m(*[1, 2], **{'c': 3}) if false else 'k' }}", "{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}", "{% for x in x %}{% endfor %}", "{% for n in [n, n + 1] %}{{ n }}{% endfor %}{{ n }}", "{% set n = n + 1 %}{{ n }}", "{% for (a, b) in d.items() if b is number %}{{ a }}{% endfor %}")

# An inline if without else gives Jinja's lenient undefined.
add("[{{ 1 if no }}]", "{{ (1 if no) == (2 if no) }}", "{{ (1 if no)|length }}", "{{ (1 if no)|default('d') }}", "{{ (1 if no).x }}", "{{ (1 if no) + 1 }}", "{{ (1 if no) ~ 'x' }}", "{{ 'y' if (1 if no) else 'n' }}", "{% for x in (1 if no) %}{% else %}empty{% endfor %}", "{{ [1 if no] }}", "{{ (1 if no)|upper }}", "{{ (1 if no) is none }}", "{{ 'a' + ('b' if no) }}",
    "{% macro m() %}x{% endmacro %}{{ m(a=1) }}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m(a) %}{{ varargs }}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{{ kwargs }}{% endmacro %}{{ m(1, 2) }}", "{{ range(20)[15:2:-3] }}{{ range(20)[::2]|list }}{{ range(0, 20, 3)[1:] }}", "{{ '{:0<5}|{:x<05}|{:>05}|{:^07}|'.format(3, 4, 5, 6) }}", "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(1, a=2) }}")

# Found by comparing random templates.
add("{{ 0|map('upper')|list }}", "{{ no|select|list }}", "{{ yes|select|list }}", "{{ (1, 2)|truncate(5) }}", "{{ n|truncate(5) }}", "{{ n|indent(2) }}", "{{ n[1:] }}", "{{ d[1:] }}", "{{ range(4).count(2) }}{{ range(4).index(3) }}", "{{ missing is sequence }}", "{{ (html|e).partition('&') }}")

# Syntax errors.
add("{{", "{{ }}", "{{ n", "{{ n }", "{{ n %}", "{% if %}x{% endif %}", "{% if n %}x", "{% for x in %}{% endfor %}", "{% for in options %}{% endfor %}", "{% for x options %}{% endfor %}", "{% endif %}", "{% endfor %}", "{% if n %}{% endfor %}", "{% if n %}{% else %}{% elif n %}{% endif %}", "{% nope %}", "{% set %}", "{% set x = %}", "{% set 1 = 2 %}", "{% set x = 1", "{# open", "{% raw %}x", "{{ 'abc }}", "{{ [1, 2 }}", "{{ (1, 2 }}", "{{ {'a': } }}", "{{ {'a'} }}", "{{ a b }}", "{{ 1 + }}", "{{ * 2 }}", "{{ a.1b }}", "{{ a..b }}", "{{ a[ }}", "{{ a[] }}", "{{ f(a=1, 2) }}", "{{ f(,) }}", "{{ n| }}", "{{ n is }}", "{{ $x }}", "{{ a ! b }}", "{{ a & b }}", "{{ 'a' if }}", "{{ if n }}", "{{ n }}{% if n }}{% endif %}", "{{ a = 1 }}", "{{ ] }}", "{{ (] }}", "{% set true = 1 %}", "{% for true in options %}{% endfor %}", "{{ n not 3 }}", "{% macro %}{% endmacro %}", "{% macro m( %}{% endmacro %}", "{% call x %}{% endcall %}", "{% block %}", "{{ 1.2.3 }}", "{{ 007 }}", "{{ a ? b : c }}", "{{ 'a' == }}", "{{ not }}", "{{ lambda x: x }}", "{{ n; }}", "{%- endset %}", "{{ x.if }}", "{{ none.x }}")


def run(template):
    case = {"template": template}
    try:
        case["output"] = ENV.from_string(template).render(**DOC)
    except jinja2.UndefinedError as e:
        case["error"], case["undefined"] = "undefined", str(e)
    except jinja2.TemplateSyntaxError as e:
        case["error"], case["line"] = "syntax", e.lineno
    except Exception as e:  # whatever Python raises while it renders
        case["error"] = type(e).__name__
    if "object at 0x" in case.get("output", ""):
        case = {"template": template, "error": "prints an address"}
    return case


if __name__ == "__main__":
    seen = dict.fromkeys(T)
    cases = [run(t) for t in seen]
    with open(os.path.join(HERE, "templates.json"), "w", encoding="utf-8") as f:
        f.write('{"variables":' + json.dumps(DOC) + ',"cases":[\n')
        f.write(",\n".join(json.dumps(c) for c in cases))
        f.write("\n]}\n")
    print(len(cases), "cases,", sum("error" in c for c in cases), "errors")
