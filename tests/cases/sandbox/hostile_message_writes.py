# expect: exited
import os
class Trap(AssertionError):
    def __str__(self):
        for fd in range(3, 64):
            for text in (b"1", b"go"):
                try:
                    os.write(fd, text)
                except OSError:
                    pass
        os._exit(0)
raise Trap
