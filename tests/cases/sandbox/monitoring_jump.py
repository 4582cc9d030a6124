# expect: runtime_error failed
import sys
monitoring = getattr(sys, "monitoring", None)
assert monitoring is not None
monitoring.use_tool_id(3, "jump")
monitoring.register_callback(3, monitoring.events.LINE, lambda code, line: None)
assert False
