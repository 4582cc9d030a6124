# expect: failed
import os, resource
def attempt(call, *arguments):
    try:
        call(*arguments)
        return True
    except (OSError, ValueError):
        return False
parent = os.getppid() or 1
assert any((attempt(resource.prlimit, parent, resource.RLIMIT_CPU, (1, 1)), attempt(os.setpriority, os.PRIO_PROCESS, parent, 19),
            attempt(os.sched_setaffinity, parent, {0}), attempt(os.sched_setscheduler, parent, os.SCHED_BATCH, os.sched_param(0))))
