# expect: exited
import os
def solve(x):
    os._exit(0)
def check(candidate):
    assert candidate(1) == 2
check(solve)
