#include "qeval/sandbox/runner_script.h"

namespace qeval {

const char* const kRunnerScript = R"PY(
import sys
sys.path[:] = [path for path in sys.path if path]
import gc, os, signal
from functools import partial
import builtins
import resource
import _socket

# The functions below keep these names whatever a program does to the module builtins.
__builtins__ = dict(vars(builtins))


def describe(error):
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<program>":
            line = trace.tb_lineno
        trace = trace.tb_next
    if isinstance(error, SyntaxError):
        text, line = str(error.msg), error.lineno
    else:
        text = str(error)
    kind = type(error).__name__
    out = kind + ": " + text[:2000] if text else kind
    if line is not None and " line " not in text[-40:]:
        out += " (line %d)" % line
    return out


def report(private, kind, error, write, leave, flushes):
    text = ""
    try:
        text = str(describe(error))
    except BaseException:
        try:
            text = type(error).__name__
        except BaseException:
            pass
    for flush in flushes:
        try:
            flush()
        except BaseException:
            pass
    try:
        write(private, kind + text[:4000].encode("utf-8", "replace"))
    except BaseException:
        try:
            write(private, kind)
        except BaseException:
            pass
    leave(1)


def refuse(event, arguments, refused=frozenset((
        "sys.settrace", "sys.setprofile", "sys.monitoring.register_callback", "cpython.remote_debugger_script"))):
    if event in refused:
        raise RuntimeError(event + " is not available here")


def serve(limits, source, output, private):
    write, read, leave = os.write, os.read, os._exit
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    for limit in limits.split():
        name, value = limit.split("=")
        value = int(value)
        resource.setrlimit(getattr(resource, "RLIMIT_" + name.upper()), (value, value))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    flushes = (sys.stdout.flush, sys.stderr.flush)
    fail = partial(report, private, write=write, leave=leave, flushes=flushes)
    sys.argv = [""]
    module = type(sys)("program")
    module.__builtins__ = builtins
    sys.modules["program"] = module
    sys.modules["__main__"] = type(sys)("__main__")
    write(private, b"s")
    try:
        text = b"".join(iter(partial(read, source, 1 << 20), b""))
        os.close(source)
        code = compile(text.decode("utf-8", "replace"), "<program>", "exec", dont_inherit=True)
        text = None
    except MemoryError as error:
        fail(b"M", error)
    except BaseException as error:
        fail(b"C", error)
    # The inner list and map put the program deeper in the stack than the waits that enclose it.
    steps = (partial(write, private, b"0"), partial(read, private, 64),
             partial(list, map(exec, (code,), (module.__dict__,))), partial(write, private, b"1"), partial(read, private, 64))
    try:
        nonce = list(map(partial.__call__, steps))[-1]
    except MemoryError as error:
        fail(b"M", error)
    except AssertionError as error:
        fail(b"A", error)
    except SystemExit as error:
        fail(b"X", error)
    except BaseException as error:
        fail(b"E", error)
    for flush in flushes:
        try:
            flush()
        except BaseException:
            pass
    write(private, nonce)
    leave(0)


def receive(control):
    message, ancillary, _, _ = control.recvmsg(4096, _socket.CMSG_SPACE(12))
    if not message:
        os._exit(0)
    data = ancillary[0][2]
    return (message.decode("ascii"),) + tuple(int.from_bytes(data[i:i + 4], sys.byteorder) for i in (0, 4, 8))


def zygote(control, preload):
    for name in ("math", "re", "collections", "itertools", "typing", "heapq", "bisect", "string", "random", "copy",
                 "datetime", "operator", "functools"):
        try:
            __import__(name)
        except ImportError:
            pass
    for name in preload:
        try:
            __import__(name)
        except Exception:
            pass
    compile("def f(x):\n    return [y for y in x if y]\nassert f([1]) == [1], 'text'\n", "<warm>", "exec")
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.collect()
    gc.freeze()
    while True:
        request = receive(control)
        child = os.fork()
        if child == 0:
            try:
                control.close()
                serve(*request)
            finally:
                os._exit(99)
        for fd in request[1:]:
            os.close(fd)
        _, status, usage = os.wait4(child, 0)
        request = None
        try:
            os.kill(-1, signal.SIGKILL)
        except ProcessLookupError:
            pass
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass
        with os.scandir(".") as entries:
            dirty = any(True for _ in entries)
        control.send(b"%d %d %d %d" % (status, usage.ru_maxrss * 1024, (usage.ru_utime + usage.ru_stime) * 1e6, dirty))


def main():
    control = _socket.socket(fileno=3)
    sys.addaudithook(refuse)
    extra = sys.argv[2:]
    sys.path.extend(path for path in extra if path.startswith("/"))
    if sys.argv[1] == "zygote":
        zygote(control, [name for name in extra if not name.startswith("/")])
    request = receive(control)
    control.close()
    serve(*request)


main()
)PY";

}  // namespace qeval
