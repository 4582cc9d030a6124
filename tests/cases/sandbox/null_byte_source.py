# expect: runtime_error syntax_error
eval("1\0")
