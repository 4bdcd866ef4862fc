"""What NetworkPolicies allow. Pure: policies and two ends in, an answer out."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .objects import Object, selects


class End(NamedTuple):
    """One end of a connection: a pod, or an address outside the cluster."""

    address: str
    namespace: str = ""
    """'' is outside."""
    labels: dict[str, str] | None = None
    namespace_labels: dict[str, str] | None = None


def refusal(policies: Sequence[Object], source: End, target: End, port: int) -> str:
    """Which side's policies forbid a TCP connection, as a sentence; '' when it is allowed."""
    for way, mine, other in (("Egress", source, target), ("Ingress", target, source)):
        about = [one for one in policies if _is_about(one, mine, way)]
        rules = [rule for one in about for rule in one["spec"].get(way.lower()) or []]
        if about and not any(_allows(rule, "to" if way == "Egress" else "from", other, port) for rule in rules):
            names = sorted(one["metadata"]["name"] for one in about)
            return f"{way} to {target.address}:{port} is not allowed by {names}"
    return ""


def _is_about(policy: Object, end: End, way: str) -> bool:
    spec = policy["spec"]
    types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if "egress" in spec else [])]
    is_here = end.labels is not None and policy["metadata"]["namespace"] == end.namespace
    return is_here and way in types and selects(spec.get("podSelector") or {}, end.labels or {})


def _allows(rule: Object, key: str, other: End, port: int) -> bool:
    peers, ports = rule.get(key) or [], rule.get("ports") or []
    return (not peers or any(_is_peer(peer, other) for peer in peers)) and (not ports or _has_port(ports, port))


def _has_port(ports: Iterable[Object], port: int) -> bool:
    return any(one.get("port") in {None, port} and one.get("protocol", "TCP") == "TCP" for one in ports)


def _is_peer(peer: Object, end: End) -> bool:
    if block := peer.get("ipBlock"):
        address = ipaddress.ip_address(end.address)
        isin = [address in ipaddress.ip_network(cidr) for cidr in (block["cidr"], *(block.get("except") or []))]
        return isin[0] and not any(isin[1:])
    if end.labels is None:
        return False
    if "namespaceSelector" in peer and not selects(peer["namespaceSelector"], end.namespace_labels or {}):
        return False
    return "podSelector" not in peer or selects(peer["podSelector"], end.labels)
