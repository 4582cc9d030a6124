# expect: exited
import gc, sys, os
frame = sys._getframe(1)
steps = frame.f_locals["steps"]
for iterator in gc.get_referrers(steps):
    if type(iterator).__name__ in ("tuple_iterator", "list_iterator", "map"):
        try:
            for step in iterator:
                result = step()
            os.write(steps[0].args[0], result)
        except BaseException:
            pass
frame.f_globals["report"] = frame.f_globals["describe"] = lambda *a, **k: None
os._exit(0)
