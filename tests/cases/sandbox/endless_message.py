# expect: time_out
class Trap(Exception):
    def __str__(self):
        while True:
            pass
raise Trap
