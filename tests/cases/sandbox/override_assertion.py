# expect: failed
import builtins
class Quiet(Exception):
    pass
builtins.AssertionError = Quiet
AssertionError = Quiet
builtins.Exception = builtins.BaseException = int
builtins.isinstance = lambda *a: False
__debug__ if True else None
assert 1 == 2
