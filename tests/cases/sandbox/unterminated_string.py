# expect: syntax_error
def f():
    return "abc
