# expect: runtime_error memory_limit time_out
import sys
sys.setrecursionlimit(10 ** 8)
class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")
Deep().a
