"""A socket on standard input and output, by a Python library, as examples/pipe.rs is by a Rust one.

Usage: pipe.py websockets|aiohttp URL COOKIE
"""

import asyncio
import json
import sys

LONGEST_LINE = 1 << 21


def tell(*what):
    print(json.dumps(what), flush=True)


async def lines():
    reader = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line.decode().rstrip("\n")


async def over_websockets(url, cookie):
    import websockets

    async with websockets.connect(url, additional_headers={"Cookie": cookie}, max_size=None) as socket:

        async def send():
            async for line in lines():
                if line.startswith("{"):
                    await socket.send(line)
                    continue
                what, value = json.loads(line)
                if what == "ping":
                    await (await socket.ping(value))
                    tell("pong", value)
                elif what == "fragments":
                    await socket.send(value)
                elif what == "close":
                    await socket.close(value)

        sending = asyncio.create_task(send())
        async for text in socket:
            print(text, flush=True)
        tell("closed", socket.close_code)
        sending.cancel()


async def over_aiohttp(url, cookie):
    import aiohttp

    async with aiohttp.ClientSession(headers={"Cookie": cookie}) as session:
        async with session.ws_connect(url, autoping=False, max_msg_size=0) as socket:

            async def send():
                async for line in lines():
                    if line.startswith("{"):
                        await socket.send_str(line)
                        continue
                    what, value = json.loads(line)
                    if what == "ping":
                        await socket.ping(value.encode())
                    elif what == "close":
                        await socket.close(code=value)
                        return

            sending = asyncio.create_task(send())
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    print(message.data, flush=True)
                elif message.type == aiohttp.WSMsgType.PONG:
                    tell("pong", message.data.decode())
                elif message.type == aiohttp.WSMsgType.PING:
                    await socket.pong(message.data)
            if socket.close_code is None:
                # Its own close, which has not been answered yet.
                await sending
            tell("closed", socket.close_code)
            sending.cancel()


_, library, *where = sys.argv
asyncio.run({"websockets": over_websockets, "aiohttp": over_aiohttp}[library](*where))
