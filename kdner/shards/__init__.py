"""What happens to a shard of a corpus in a process: one bad document, process, store or clock costs itself alone.

Start with `work`. May import the rooms before it: `kdner.text`, `kdner.labels`, `kdner.runs`, `kdner.data`,
`kdner.labeled` and `kdner.corpora`. Knows nothing of Ray: `kdner.on_ray.shard_actor` puts it together.
"""
