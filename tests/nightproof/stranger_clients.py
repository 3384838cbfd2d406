"""A suite with one test for each way to ask a server, and how each is proven when the suite has a relay."""

from __future__ import annotations

from typing import Final

PROVEN: Final = {
    # Python's own sockets, straight: seen in the process and in Python children with the test's environment
    "test_http_client": "call",
    "test_raw_socket_http": "call",
    "test_raw_tcp": "call",
    "test_asyncio_streams": "call",
    "test_redis": "call",
    "test_httplib2": "call",  # told to take no proxy: it needs another package for one
    "test_websockets_legacy": "call",
    "test_aiohttp": "call",
    "test_aiohttp_ws": "call",
    "test_tornado": "call",
    "test_geventhttpclient": "call",
    "test_httpcore_direct": "call",
    # Python clients that take the proxy of the environment
    "test_urllib": "relay",
    "test_requests_redirect": "relay",
    "test_websocket_client": "relay",
    "test_websockets_sync": "relay",
    "test_socketio_client": "relay",
    "test_socketio_polling": "relay",
    "test_httpx_sse": "relay",
    "test_httpx_async": "relay",
    "test_requests_threads": "relay",
    "test_pool_fork": "relay",
    "test_pool_spawn": "relay",
    "test_child_python": "relay",
    # what leaves Python
    "test_pycurl": "relay",
    "test_curl_cffi": "relay",
    "test_child_isolated": "relay",
    "test_grpc": "relay",
    "test_psycopg": "relay",
    "test_uvloop": "relay",
    # what nothing sees
    "test_child_clean": "vouched",
    # a fixture asks
    "test_module_fixture": "fixture",
    "test_function_fixture": "fixture",
    # a server of the test itself
    "test_unix_socket": "",
    "test_unix_socket_vouched": "vouched",
}
SOURCE: Final = """
import asyncio, http.client, os, socket, subprocess, sys, threading, urllib.request
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import httpx, pytest, requests
from nightproof.evidence import vouch
URL = os.environ["NIGHTPROOF_URL_API"]
HOST = URL.partition("://")[2]
WS = f"ws://{HOST}/ws"
ECHO = ("127.0.0.1", int(os.environ["ECHO"]))
GET = f"import urllib.request as u; print(u.urlopen('{URL}/get').status)"

def get(path): return requests.get(URL + path).status_code
def child(*words, **kw):
    return subprocess.run([sys.executable, *words, "-c", GET], capture_output=True, text=True, **kw).stdout.strip()

def test_http_client():
    c = http.client.HTTPConnection(HOST)
    c.request("GET", "/get")
    assert c.getresponse().status == 200
def test_urllib(): assert urllib.request.urlopen(URL + "/get").status == 200
def test_httplib2():
    import httplib2
    assert httplib2.Http(proxy_info=None).request(URL + "/get")[0].status == 200
def test_pycurl():
    import io, pycurl
    body, c = io.BytesIO(), pycurl.Curl()
    c.setopt(c.URL, URL + "/get")
    c.setopt(c.WRITEDATA, body)
    c.perform()
    assert c.getinfo(c.RESPONSE_CODE) == 200
def test_curl_cffi():
    import curl_cffi.requests
    assert curl_cffi.requests.get(URL + "/get").status_code == 200
def test_child_python(): assert child() == "200"
def test_child_isolated(): assert child("-I") == "200"
def test_child_clean():
    vouch("a program without the test's environment asks, and prints the status")
    assert child(env={"PATH": os.environ["PATH"]}) == "200"
def test_raw_socket_http():
    host, port = HOST.split(":")
    with socket.create_connection((host, int(port))) as s:
        s.sendall(b"GET /get HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n")
        assert b"200 OK" in s.recv(4096)
def test_raw_tcp():
    with socket.create_connection(ECHO) as s:
        s.sendall(b"hi")
        assert s.recv(100) == b"echo hi"
def test_grpc():
    import grpc
    with grpc.insecure_channel(os.environ["NIGHTPROOF_URL_GRPC"].partition("://")[2]) as ch:
        assert ch.unary_unary("/shop.Shop/Say")(b"hi", timeout=20) == b"echo hi"
def test_psycopg():
    import psycopg
    with psycopg.connect(os.environ["NIGHTPROOF_URL_ORDERS"]) as c:
        assert c.execute("select one").fetchall() == [("1",)]
def test_uvloop():
    import uvloop
    port = int(os.environ["NIGHTPROOF_URL_QUEUE"].rpartition(":")[2])
    async def go():
        r, w = await asyncio.open_connection("127.0.0.1", port)
        w.write(b"hi")
        return await r.read(99)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner: assert runner.run(go()) == b"echo hi"
def test_redis():
    import redis
    r = redis.Redis(port=int(os.environ["REDIS"]), protocol=2)
    assert r.get("a") == b"1"
def test_websocket_client():
    import websocket
    w = websocket.create_connection(WS)
    w.send("a")
    assert w.recv() == "echo a"
    w.close()
def test_websockets_sync():
    from websockets.sync.client import connect
    with connect(WS) as w:
        w.send("a")
        assert w.recv() == "echo a"
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_websockets_legacy():
    import websockets.legacy.client as lc
    async def go():
        async with lc.connect(WS) as w:
            await w.send("a")
            return await w.recv()
    assert asyncio.run(go()) == "echo a"
def test_aiohttp():
    import aiohttp
    async def go():
        async with aiohttp.ClientSession() as s, s.get(URL + "/get") as r: return r.status
    assert asyncio.run(go()) == 200
def test_aiohttp_ws():
    import aiohttp
    async def go():
        async with aiohttp.ClientSession() as s, s.ws_connect(WS) as w:
            await w.send_str("a")
            return (await w.receive()).data
    assert asyncio.run(go()) == "echo a"
def socketio_asks(transport):
    import socketio
    c = socketio.Client()
    c.connect(URL, transports=[transport])
    try: return c.call("ask", 1)
    finally: c.disconnect()
def test_socketio_client(): assert socketio_asks("websocket") == {"echo": 1}
def test_socketio_polling(): assert socketio_asks("polling") == {"echo": 1}
def test_tornado():
    from tornado.httpclient import AsyncHTTPClient
    async def go(): return (await AsyncHTTPClient().fetch(URL + "/get")).code
    assert asyncio.run(go()) == 200
def test_geventhttpclient():
    from geventhttpclient import HTTPClient
    from geventhttpclient.url import URL as U
    assert HTTPClient.from_url(U(URL)).get("/get").status_code == 200
def test_httpcore_direct():
    import httpcore
    assert httpcore.request("GET", URL + "/get").status == 200
def test_httpx_sse():
    import httpx_sse
    with httpx.Client() as c, httpx_sse.connect_sse(c, "GET", URL + "/events") as s:
        assert [e.data for e in s.iter_sse()] == ["0", "1", "2"]
def test_httpx_async():
    async def go():
        async with httpx.AsyncClient() as c:
            return [r.status_code for r in await asyncio.gather(*(c.get(URL + "/get") for _ in range(3)))]
    assert asyncio.run(go()) == [200] * 3
def test_requests_redirect(): assert requests.get(URL + "/redirect").json() == {"ok": True}
def test_requests_threads():
    with ThreadPoolExecutor(4) as p: assert list(p.map(get, ["/get"] * 4)) == [200] * 4
def test_pool_fork():
    with ProcessPoolExecutor(2, mp_context=mp.get_context("fork")) as p:
        assert list(p.map(get, ["/get"] * 2)) == [200] * 2
def test_pool_spawn():
    with ProcessPoolExecutor(1, mp_context=mp.get_context("spawn")) as p: assert list(p.map(get, ["/get"])) == [200]
def test_asyncio_streams():
    async def go():
        r, w = await asyncio.open_connection(*ECHO)
        w.write(b"hi")
        return await r.read(99)
    assert asyncio.run(go()) == b"echo hi"
def unix_status(path):
    import http.server, socketserver
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self): self.send_response(204); self.end_headers()
        def log_message(self, *a): pass
    s = socketserver.UnixStreamServer(path, H)
    threading.Thread(target=s.serve_forever, daemon=True).start()
    try: return httpx.Client(transport=httpx.HTTPTransport(uds=path)).get("http://x/").status_code
    finally: s.shutdown()
def test_unix_socket(tmp_path): assert unix_status(str(tmp_path / "s")) == 204
def test_unix_socket_vouched(tmp_path):
    vouch("the daemon's socket is served by the test, and its protocol is what is tested")
    assert unix_status(str(tmp_path / "s")) == 204
@pytest.fixture(scope="module")
def answer(): return requests.get(URL + "/get")
def test_module_fixture(answer): assert answer.status_code == 200
@pytest.fixture
def answer_each(): return requests.get(URL + "/get")
def test_function_fixture(answer_each): assert answer_each.status_code == 200
"""
