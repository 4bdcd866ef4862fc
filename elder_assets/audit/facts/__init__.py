"""Facts: what is measured, once, with no rule in it. Rules only read facts.

One module a kind of fact, each with its records and its extractor. A fact about a file's content is a pure
function of its bytes and grammar; what depends on the path (file class, component) is a fact of the tree and is
joined when a rule reads it.
"""
