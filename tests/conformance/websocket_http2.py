"""A stream of bytes in an extended CONNECT of HTTP/2 (RFC 8441), both ends, by python3-h2; for websocket.py."""
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

PART_BYTES = 65536
ANNOUNCED = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL


class Cut(Exception):
    """The other side has broken off."""


class Stream:
    """One stream of a connection: reads wait for whole sizes, writes for the peer's window."""

    def __init__(self, link, connection, number):
        self.link, self.connection, self.number = link, connection, number
        self.held, self.ended, self.cut, self.heads = b"", False, False, None
        self.next = []  # requests that came meanwhile

    def flush(self):
        self.link.sendall(self.connection.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.next.append(event)
        if getattr(event, "stream_id", self.number) != self.number:
            return  # of another stream
        if isinstance(event, h2.events.DataReceived):
            self.held += event.data
            self.connection.acknowledge_received_data(event.flow_controlled_length, self.number)
        elif isinstance(event, h2.events.ResponseReceived):
            self.heads = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            self.ended = True
        elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
            self.cut = True

    def pump(self):
        data = self.link.recv(PART_BYTES)
        if not data:
            self.cut = self.cut or not self.ended
        for event in self.connection.receive_data(data):
            self.take(event)
        self.flush()

    def read(self, size):
        while len(self.held) < size and not self.ended:
            if self.cut:
                raise Cut
            try:
                self.pump()
            except ConnectionError as error:
                raise Cut from error
        out, self.held = self.held[:size], self.held[size:]
        return out

    def write(self, data):
        while data:
            room = min(self.connection.local_flow_control_window(self.number), self.connection.max_outbound_frame_size)
            if self.cut:
                raise Cut
            if room == 0:
                self.pump()
                continue
            self.connection.send_data(self.number, data[:room])
            data = data[room:]
            self.flush()

    def end(self):
        self.connection.end_stream(self.number)
        self.flush()

    def reset(self):
        self.connection.reset_stream(self.number, h2.errors.ErrorCodes.CANCEL)
        self.flush()


def open_socket(link, authority, path):
    """(status, whether no key was answered, the stream); status 0 where extended CONNECT is not announced."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    stream = Stream(link, connection, connection.get_next_available_stream_id())
    stream.flush()
    told = []
    while not told and not stream.cut:
        told = [one for one in connection.receive_data(link.recv(PART_BYTES)) if isinstance(one, h2.events.RemoteSettingsChanged)]
        stream.flush()
    if connection.remote_settings.enable_connect_protocol != 1:
        return 0, False, stream
    connection.send_headers(stream.number, [
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http"), (":path", path), (":authority", authority),
        ("sec-websocket-version", "13")])
    stream.flush()
    while stream.heads is None and not stream.cut:
        stream.pump()
    heads = stream.heads or {":status": "0"}
    return int(heads[":status"]), "sec-websocket-accept" not in heads, stream


def serve(link, file, converse):
    """Each websocket of a connection, one after the other; other requests are answered 426."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    connection.local_settings = h2.settings.Settings(client=False, initial_values={ANNOUNCED: 1})
    connection.initiate_connection()
    link.sendall(connection.data_to_send())
    while data := file.read1(PART_BYTES):
        requests = [one for one in connection.receive_data(data) if isinstance(one, h2.events.RequestReceived)]
        link.sendall(connection.data_to_send())
        while requests:
            request = requests.pop(0)
            headers, stream = dict(request.headers), Stream(link, connection, request.stream_id)
            opens = headers.get(":protocol") == "websocket" and "sec-websocket-key" not in headers
            connection.send_headers(stream.number, [(":status", "200" if opens else "426")], end_stream=not opens)
            stream.flush()
            if opens:  # nothing comes on it before
                converse(stream)
                requests += stream.next
