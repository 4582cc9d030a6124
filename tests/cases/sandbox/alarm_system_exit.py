# expect: exited
import signal, sys
signal.signal(signal.SIGALRM, lambda *a: sys.exit(0))
signal.setitimer(signal.ITIMER_REAL, 0.05)
while True:
    pass
