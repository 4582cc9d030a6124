# expect: failed
import threading, time
def loop():
    while True:
        time.sleep(0.001)
for _ in range(4):
    threading.Thread(target=loop).start()
assert False
