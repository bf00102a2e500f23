"""Flower apps that know nothing of fedsight: run as they are, observed from outside.

`project` reads an app, `loading` loads it, `watching` looks at what passes between its server and
its nodes, `seen` makes rounds of that, `session` journals them, `running` puts it all together.
`observed` is the line that an app's server may add.
"""
