# expect: exited
import os
class Trap(Exception):
    def __str__(self):
        os._exit(0)
raise Trap
