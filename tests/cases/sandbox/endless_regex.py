# expect: time_out
import re
re.match(r"(a+)+$", "a" * 60 + "b")
