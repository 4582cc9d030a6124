# expect: runtime_error
input()
