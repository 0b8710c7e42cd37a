#!/usr/bin/python3
"""Lists the pods of a namespace, then watches a Deployment until it has rolled out: rollout.py DEPLOYMENT [NAMESPACE]"""
import base64, json, os, pathlib, subprocess, sys, tempfile
import grpc, yaml
name, namespace = sys.argv[1], (sys.argv[2:] or ["default"])[0]
with tempfile.TemporaryDirectory() as generated:  # message classes from the schema, made on the spot
    protos = pathlib.Path(__file__).resolve().parents[2] / "proto"
    subprocess.run(["protoc", f"-I{protos}", f"--python_out={generated}", "lenj/api/v1/api.proto"], check=True)
    sys.path.insert(0, generated)
    from lenj.api.v1 import api_pb2 as api

config = yaml.safe_load(pathlib.Path(os.environ["KUBECONFIG"]).read_text())
named = lambda kind, wanted: next(entry[kind] for entry in config[f"{kind}s"] if entry["name"] == wanted)
context = named("context", config["current-context"])
cluster, user = named("cluster", context["cluster"]), named("user", context["user"])
server = next(entry["extension"]["server"] for entry in cluster["extensions"] if entry["name"] == "lenj.dev/grpc")
pem = lambda entry, field: base64.b64decode(entry[f"{field}-data"])
credentials = grpc.ssl_channel_credentials(pem(cluster, "certificate-authority"), pem(user, "client-key"), pem(user, "client-certificate"))
try:
    with grpc.secure_channel(server, credentials) as channel:
        method = lambda call, name, answer: call(f"/lenj.api.v1.ResourceService/{name}", lambda message: message.SerializeToString(), answer.FromString)
        pods = api.ResourceRef(version="v1", resource="pods", namespace=namespace)
        for chunk in method(channel.unary_stream, "List", api.ListChunk)(api.ListRequest(ref=pods)):
            for pod in map(json.loads, chunk.items):
                print("pod", pod["metadata"]["name"], pod["status"].get("phase"), pod["spec"].get("nodeName", "-"), flush=True)
        apps = dict(group="apps", version="v1", resource="deployments", namespace=namespace)
        method(channel.unary_unary, "Get", api.Object)(api.GetRequest(ref=api.ResourceRef(**apps, name=name)))  # fails where there is none
        watch = api.WatchRequest(ref=api.ResourceRef(**apps), field_selector=f"metadata.name={name}")
        for event in method(channel.unary_stream, "Watch", api.WatchEvent)(watch):
            seen, kind = json.loads(event.data), api.WatchEvent.Type.Name(event.type)
            if kind in ("ERROR", "DELETED"):
                sys.exit(f"error: {seen.get('message', name + ' was deleted')}")
            wanted, status = seen["spec"]["replicas"], seen.get("status", {})
            total, updated, available = (status.get(field, 0) for field in ("replicas", "updatedReplicas", "availableReplicas"))
            print(f"{kind} {name}: {updated} of {wanted} updated, {available} available", flush=True)
            if status.get("observedGeneration", 0) >= seen["metadata"]["generation"] and total == updated == available == wanted:
                sys.exit(print(f"{name} has rolled out"))
except grpc.RpcError as error:
    details = dict(error.trailing_metadata() or ()).get("lenj-status-bin", b"{}")
    sys.exit(f"error: {json.loads(details).get('message', error.details())}")
