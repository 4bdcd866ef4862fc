"""A Kubernetes cluster of processes: real API calls, real roles and policies, and each container a sandboxed process.

What the chart and dagster-k8s see is an API server over HTTPS; a pod is `bwrap` with namespaces of its own. There is no
scheduler, no container engine, no registry, no DNS server and no admission webhook; docs/kubernetes.md says what that leaves
untested.
"""
