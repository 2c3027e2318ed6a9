"""Seeds of the fuzz target yaml_objects: API objects as people write them, and wrong ones."""
YAML = {
    "rules": """apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop, creationTimestamp: "2024-01-02T03:04:05Z"}
spec:
  hosts: [web, "*.shop.svc.cluster.local"]
  gateways: [mesh, shop/front]
  exportTo: ["."]
  http:
  - name: by-user
    match:
    - headers: {cookie: {regex: "^(.*?;)?(user=jason)(;.*)?$"}, x-any: {}}
      uri: {prefix: /a}
      method: {exact: GET}
      queryParams: {q: {exact: "1"}}
      withoutHeaders: {x-not: {prefix: b}}
      sourceLabels: {app: client}
      ignoreUriCase: true
      port: 80
    rewrite: {uriRegexRewrite: {match: "^/a/(.*)", rewrite: '/b/\\\\1'}, authority: other}
    fault: {delay: {fixedDelay: 5s, percentage: {value: 10}}, abort: {httpStatus: 500, percent: 50}}
    retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,503,unavailable", backoff: 25ms}
    timeout: 10s
    mirrors: [{destination: {host: web, subset: v2}, percentage: {value: 1.5}}]
    corsPolicy: {allowOrigins: [{exact: "http://a"}], allowMethods: [GET], maxAge: 24h}
    headers: {request: {set: {x-a: "%REQ(x-b)%"}, remove: [x-c]}, response: {add: {x-d: "1"}}}
    route:
    - destination: {host: web, subset: v1, port: {number: 80}}
      weight: 25
    - destination: {host: web, subset: v2}
      weight: 75
  - match: [{uri: {exact: /old}}]
    redirect: {uri: /new, redirectCode: 308}
  - directResponse: {status: 404, body: {string: none}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: shop}
spec:
  host: web
  trafficPolicy:
    loadBalancer: {simple: LEAST_REQUEST}
    connectionPool: {tcp: {maxConnections: 1, connectTimeout: 1s}, http: {http1MaxPendingRequests: 1, maxRequestsPerConnection: 10}}
    outlierDetection: {consecutive5xxErrors: 7, interval: 1s, baseEjectionTime: 15m, maxEjectionPercent: 100}
    portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}, trafficPolicy: {retryBudget: {percent: 20}}}]
""",
    "edge": """apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: shop}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: shop, labels: {istio.io/waypoint-for: all}}
spec: {gatewayClassName: culvert-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out, namespace: shop, labels: {istio.io/use-waypoint: waypoint}}
spec:
  hosts: [out.example]
  addresses: [10.9.0.1]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 10.0.0.5, weight: 3, labels: {version: v1}, ports: {http: 8080}}]
""",
    "policies": """apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  action: DENY
  rules:
  - from: [{source: {principals: ["*/sa/far"], notNamespaces: [a*], ipBlocks: [10.0.0.0/8, "fd00::1"]}}]
    to: [{operation: {ports: ["80"], notPorts: ["81"]}}]
    when: [{key: source.namespace, values: [shop]}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: shop}
spec: {mtls: {mode: STRICT}, selector: {matchLabels: {app: web}}, portLevelMtls: {8080: {mode: PERMISSIVE}}}
""",
    "pods": """apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Node
metadata: {name: east}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, uid: u1, labels: &l {app: web}}
spec:
  nodeName: east
  serviceAccountName: web
  containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]
status: {phase: Running, podIPs: [{ip: 10.0.0.5}, {ip: "fd00::5"}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  clusterIPs: [10.1.0.1]
  clusterIP: 10.1.0.1
  selector: *l
  ports: [{name: http, port: 80, targetPort: http}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: shop, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.9], conditions: {ready: true}}]
ports: [{name: http, port: 8080}]
""",
    "json-list": '{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Namespace",'
                 '"metadata":{"name":"a"}},{"apiVersion":"v1","kind":"Other","metadata":{"name":"b"}}]}',
    "wrong": "kind: Pod\nmetadata: {name: a\n---\n- just\n- a list\n--- |\n text\n",
}
