#!/usr/bin/python3
"""Lists the pods of a namespace, then watches a Deployment until it has rolled out, over lenj.api.v1 (gRPC).

Usage: rollout.py DEPLOYMENT [NAMESPACE]     reads $KUBECONFIG for the server and the client certificate
"""
import base64, json, os, pathlib, subprocess, sys, tempfile
import grpc, yaml

name, namespace = sys.argv[1], (sys.argv[2:] or ["default"])[0]
protos = pathlib.Path(__file__).resolve().parents[2] / "proto"
with tempfile.TemporaryDirectory() as generated:  # message classes from the schema, made on the spot
    subprocess.run(["protoc", f"-I{protos}", f"--python_out={generated}", "lenj/api/v1/api.proto"], check=True)
    sys.path.insert(0, generated)
    from lenj.api.v1 import api_pb2 as api

with open(os.environ["KUBECONFIG"]) as file:
    config = yaml.safe_load(file)
context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
server = next(e["extension"]["server"] for e in cluster["extensions"] if e["name"] == "lenj.dev/grpc")
pem = lambda entry, field: base64.b64decode(entry[field + "-data"]) if field + "-data" in entry else open(entry[field], "rb").read()
credentials = grpc.ssl_channel_credentials(pem(cluster, "certificate-authority"), pem(user, "client-key"), pem(user, "client-certificate"))


def stream(channel, method, request):
    """Calls a method that answers with a stream; its types come from the schema."""
    kind = getattr(api, api.DESCRIPTOR.services_by_name["ResourceService"].methods_by_name[method].output_type.name)
    return channel.unary_stream(f"/lenj.api.v1.ResourceService/{method}", type(request).SerializeToString, kind.FromString)(request)


try:
    with grpc.secure_channel(server, credentials) as channel:
        for chunk in stream(channel, "List", api.ListRequest(ref=api.ResourceRef(version="v1", resource="pods", namespace=namespace))):
            for pod in map(json.loads, chunk.items):
                print("pod", pod["metadata"]["name"], pod["status"].get("phase"), pod["spec"].get("nodeName", "-"), flush=True)
        deployments = api.ResourceRef(group="apps", version="v1", resource="deployments", namespace=namespace)
        for event in stream(channel, "Watch", api.WatchRequest(ref=deployments, field_selector=f"metadata.name={name}", send_initial_events=True, allow_bookmarks=True)):
            seen = json.loads(event.data)
            if event.type == api.WatchEvent.ERROR:
                sys.exit(f"error: {seen['message']}")
            if event.type == api.WatchEvent.BOOKMARK:
                continue
            wanted, status = seen["spec"]["replicas"], seen.get("status", {})
            updated, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
            print(f"{api.WatchEvent.Type.Name(event.type)} {name}: {updated} of {wanted} updated, {available} available", flush=True)
            if status.get("observedGeneration", 0) >= seen["metadata"]["generation"] and updated == available == status.get("replicas") == wanted:
                print(f"{name} has rolled out")
                break
except grpc.RpcError as error:
    status = dict(error.trailing_metadata() or ()).get("lenj-status-bin", b"{}")
    sys.exit(f"error: {json.loads(status).get('message', error.details())}")
