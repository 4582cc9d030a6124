# expect: time_out
sum(range(10 ** 13))
