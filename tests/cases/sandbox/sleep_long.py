# expect: time_out
import time
time.sleep(1000)
