"""First line: verdict; then the message. Only for programs that the tests wrote themselves."""
import contextlib
import io
import sys

with open(sys.argv[1], newline="") as file:
    source = file.read()
try:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "program", "exec"), {"__name__": "__main__"})
    print("passed")
except SyntaxError as error:
    print(f"syntax_error\n{type(error).__name__}: {error}")
except AssertionError as error:
    print(f"failed\nAssertionError: {error}")
except BaseException as error:
    print(f"runtime_error\n{type(error).__name__}: {error}")
