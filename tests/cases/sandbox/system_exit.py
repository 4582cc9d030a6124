# expect: exited
raise SystemExit
