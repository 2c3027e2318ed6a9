"""AuthorizationPolicy at layer 4, field by field, from the same node and from another one."""
import os

import pytest
from flows import NODES, Mesh, client_pod, meshed, server_pod
from lab import Lab, wait_until
from objects import authorization, operation, source

ROOT, WEB = "istio-system", {"app": "web"}
PODS = (NODES + meshed("shop", "bank") +
        server_pod("shop", "web", "east", labels="{app: web}") +
        server_pod("shop", "stock", "west", labels="{app: stock}") +
        server_pod("bank", "vault", "west") +
        client_pod("shop", "near", "east") + client_pod("shop", "far", "west") +
        client_pod("bank", "near-teller", "east", account="teller") +
        client_pod("bank", "teller", "west") +
        client_pod("default", "beside", "east") + client_pod("default", "outside", "west"))
SHOP, BANK, UNMESHED = ("shop/near", "shop/far"), ("bank/near-teller", "bank/teller"), ("default/beside", "default/outside")
CLIENTS = SHOP + BANK + UNMESHED


@pytest.fixture(scope="module")
def mesh():
    with Lab(f"e2e-authz-{os.getpid()}", PODS) as lab:
        mesh = Mesh(lab, CLIENTS)
        yield mesh
        mesh.close()


def expect(mesh, let_through, policy, server="shop/web", port=8080, families=(4,)):
    """Exactly these clients are answered; the others are refused by `policy`."""
    mesh.sorted_out(CLIENTS, let_through, server, port, families, policy)


FIELDS = [
    ({"principals": ["cluster.local/ns/bank/sa/teller"]}, BANK),
    ({"principals": ["cluster.local/ns/bank/*"]}, BANK),
    ({"principals": ["*/sa/teller"]}, BANK),
    ({"principals": ["*/sa/near", "*/sa/far"]}, SHOP),
    ({"principals": ["*"]}, SHOP + BANK),
    ({"principals": ["other.domain/ns/bank/sa/teller"]}, ()),
    ({"notPrincipals": ["*"]}, UNMESHED),
    ({"notPrincipals": ["cluster.local/ns/bank/sa/teller"]}, SHOP + UNMESHED),
    ({"notPrincipals": ["cluster.local/ns/shop/*"]}, BANK + UNMESHED),
    ({"notPrincipals": ["*/sa/teller", "*/sa/near"]}, ("shop/far",) + UNMESHED),
    ({"namespaces": ["bank"]}, BANK),
    ({"namespaces": ["ba*", "s*"]}, SHOP + BANK),
    ({"namespaces": ["*nk"]}, BANK),
    ({"namespaces": ["*"]}, SHOP + BANK),
    ({"namespaces": ["default"]}, ()),  # who has no certificate is of no namespace
    ({"notNamespaces": ["bank"]}, SHOP + UNMESHED),
    ({"notNamespaces": ["*"]}, UNMESHED),
    ({"namespaces": ["*"], "notNamespaces": ["bank"]}, SHOP),
    ({"serviceAccounts": ["bank/teller"]}, BANK),
    ({"serviceAccounts": ["near"]}, ("shop/near",)),  # of the policy's own namespace
    ({"notServiceAccounts": ["bank/teller", "far"]}, ("shop/near",) + UNMESHED),
    ({"namespaces": ["shop"], "principals": ["*/sa/near"]}, ("shop/near",)),
    ({"namespaces": ["bank"], "principals": ["*/sa/near"]}, ()),
]


@pytest.mark.parametrize("fields, matched", FIELDS, ids=str)
def test_allow_lets_through_only_what_it_matches(mesh, fields, matched):
    with mesh.with_objects(authorization("shop", "only", "ALLOW", source(**fields), WEB)):
        expect(mesh, matched, "shop/only")


@pytest.mark.parametrize("fields, matched", FIELDS, ids=str)
def test_deny_refuses_only_what_it_matches(mesh, fields, matched):
    with mesh.with_objects(authorization("shop", "none-of", "DENY", source(**fields), WEB)):
        expect(mesh, set(CLIENTS) - set(matched), "shop/none-of")


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("client", CLIENTS)
def test_ip_blocks_are_of_the_clients_own_address(mesh, client, family):
    address, width = mesh.ip(client, family), 32 if family == 4 else 128
    network = address.rsplit("." if family == 4 else "::", 1)[0] + (".0/24" if family == 4 else "::/64")
    neighbors = [c for c in CLIENTS if mesh.pods[c]["node"] == mesh.pods[client]["node"]]
    for block, matched in ((address, [client]), (f"{address}/{width}", [client]), (network, neighbors)):
        with mesh.with_objects(authorization("shop", "only", "ALLOW", source(ipBlocks=[block]), WEB)):
            expect(mesh, matched, "shop/only", families=[family])
    with mesh.with_objects(authorization("shop", "none-of", "DENY", source(notIpBlocks=[network]), WEB)):
        expect(mesh, neighbors, "shop/none-of", families=[family])


def test_a_block_of_one_family_says_nothing_about_the_other(mesh):
    with mesh.with_objects(authorization("shop", "only", "ALLOW", source(ipBlocks=["0.0.0.0/0"]), WEB)):
        expect(mesh, CLIENTS, "shop/only", families=[4])
        expect(mesh, (), "shop/only", families=[6])
    with mesh.with_objects(authorization("shop", "only", "ALLOW", source(ipBlocks=["::/0"]), WEB)):
        expect(mesh, (), "shop/only", families=[4])
        expect(mesh, CLIENTS, "shop/only", families=[6])


@pytest.mark.parametrize("action", ["ALLOW", "DENY"])
def test_ports_are_those_of_the_workload(mesh, action):
    for rules, matched in ((operation(ports=["8080"]), {8080}), (operation(notPorts=["8080"]), {9090}),
                           (operation(ports=["8080", "9090"], notPorts=["9090"]), {8080})):
        with mesh.with_objects(authorization("shop", "ports", action, rules, WEB)):
            for port in (8080, 9090):
                through = (port in matched) == (action == "ALLOW")
                expect(mesh, CLIENTS if through else (), "shop/ports", port=port)


def test_all_parts_of_a_rule_must_hold_and_one_rule_is_enough(mesh):
    rules = [{"from": [{"source": {"namespaces": ["bank"]}}],
              "to": [{"operation": {"ports": ["9090"]}}]},
             {"from": [{"source": {"principals": ["*/sa/near"]}}],
              "when": [{"key": "destination.port", "values": ["8080"]}]}]
    with mesh.with_objects(authorization("shop", "two", "ALLOW", rules, WEB)):
        expect(mesh, ("shop/near",), "shop/two", port=8080)
        expect(mesh, BANK, "shop/two", port=9090)


def test_an_empty_spec_allows_nothing(mesh):
    with mesh.with_objects(authorization("shop", "nothing")):
        expect(mesh, (), "shop/nothing", families=[4, 6])
        expect(mesh, (), "shop/nothing", server="shop/stock")
        mesh.answered("shop/far", "bank/vault", 8080)


def test_an_empty_rule_allows_everything(mesh):
    with mesh.with_objects(authorization("shop", "nothing"), authorization("shop", "all", rules=[{}])):
        expect(mesh, CLIENTS, None)


def test_an_empty_rule_denies_everything(mesh):
    with mesh.with_objects(authorization("shop", "all", "DENY", [{}])):
        expect(mesh, (), "shop/all")


def test_deny_goes_before_allow(mesh):
    with mesh.with_objects(authorization("shop", "allow", "ALLOW", source(namespaces=["*"])),
                           authorization("shop", "deny", "DENY", source(principals=["*/sa/near"]))):
        mesh.refused("shop/near", "shop/web", 8080, policy="shop/deny")
        mesh.refused("default/outside", "shop/web", 8080, policy="shop/allow")
        for client in BANK + ("shop/far",):
            mesh.answered(client, "shop/web", 8080)


def test_allows_of_several_policies_add_up(mesh):
    with mesh.with_objects(authorization("shop", "one", "ALLOW", source(namespaces=["bank"])),
                           authorization("shop", "two", "ALLOW", source(principals=["*/sa/far"]), WEB),
                           authorization(ROOT, "three", "ALLOW", source(notPrincipals=["*"]))):
        for client in BANK + UNMESHED + ("shop/far",):
            mesh.answered(client, "shop/web", 8080)
        mesh.refused("shop/near", "shop/web", 8080)
        mesh.refused("shop/far", "shop/stock", 8080)


def test_selector_namespace_and_root_namespace_say_whom_a_policy_reaches(mesh):
    reached = {"selector": ["shop/web"], "namespace": ["shop/web", "shop/stock"],
               "root": ["shop/web", "shop/stock", "bank/vault"], "root with selector": ["shop/web"]}
    policies = {"selector": ("shop", WEB), "namespace": ("shop", None), "root": (ROOT, None),
                "root with selector": (ROOT, WEB)}
    for scope, (ns, selector) in policies.items():
        with mesh.with_objects(authorization(ns, "deny", "DENY", [{}], selector)):
            for server in ("shop/web", "shop/stock", "bank/vault"):
                for client in ("shop/near", "bank/teller", "default/outside"):
                    if server in reached[scope]:
                        mesh.refused(client, server, 8080, policy=f"{ns}/deny")
                    else:
                        mesh.answered(client, server, 8080)


def test_a_dry_run_is_only_a_dry_run(mesh):
    text = authorization("shop", "deny", "DENY", [{}]).replace(
        '"metadata": {', '"metadata": {"annotations": {"istio.io/dry-run": "true"}, ')
    with mesh.with_objects(text):
        expect(mesh, CLIENTS, None)


def test_a_refused_client_in_the_mesh_is_named_by_its_identity_on_both_nodes(mesh):
    with mesh.with_objects(authorization("shop", "deny", "DENY", [{}], WEB)):
        for client in ("shop/near", "shop/far"):
            line = mesh.refused(client, "shop/web", 8080, policy="shop/deny")
            account = client.split("/")[1]
            assert line["src.identity"] == f"spiffe://cluster.local/ns/shop/sa/{account}"
            assert line["dst.identity"] == "spiffe://cluster.local/ns/shop/sa/web"
            assert line["error"] == "denied by policy"
            node = mesh.pods[client]["node"]
            outbound = wait_until(lambda: [l for l in mesh.access(node) if l["src.addr"] == line["src.addr"]
                                           and l["direction"] == "outbound"], "the access log's line")
            assert "polic" in outbound[-1]["error"]
