# expect: runtime_error
# Would jump over the test that fails.
import sys
def trace(frame, event, argument):
    if event == "line" and frame.f_lineno == 11:
        frame.f_lineno = 12
    return trace
sys._getframe().f_trace = trace
sys.settrace(trace)
x = 1
assert x == 2
y = 3
