# expect: time_out memory_limit runtime_error
import threading, time
def loop():
    while True:
        time.sleep(1)
while True:
    threading.Thread(target=loop).start()
