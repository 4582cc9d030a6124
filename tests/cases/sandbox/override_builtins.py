# expect: failed
import builtins
builtins.exec = builtins.compile = builtins.map = builtins.list = lambda *a, **k: None
builtins.__import__ = lambda *a, **k: None
builtins.print = builtins.str = builtins.type = lambda *a, **k: ""
assert 1 == 2
