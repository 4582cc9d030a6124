# expect: failed
print("all tests passed")
print("ok", flush=True)
assert 1 + 1 == 3
