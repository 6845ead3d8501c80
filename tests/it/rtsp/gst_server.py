#!/usr/bin/python3
"""gst-rtsp-server: mounts /h264 /h265 /av /opengop /busy; user admin, password "pass 123!" unless the mode is open or udp.

Mode tls serves digest over TLS with the certificate and key in the file of the third argument; udp serves UDP alone.
"""

import sys
import time

import gi

for name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(name, "1.0")
from gi.repository import Gio, GLib, Gst, GstRtsp, GstRtspServer

Gst.init(None)
port, mode = sys.argv[1], sys.argv[2]
needs_login = mode not in ("open", "udp")

SOURCE = "( videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=10/1 ! "
ENCODER = (
    "x26{0}enc tune=zerolatency speed-preset=ultrafast key-int-max=10 bitrate=200 {1}"
    "! rtph26{0}pay name=pay0 pt=96 config-interval=-1"
)
OPEN_GROUPS = (
    "x265enc speed-preset=ultrafast bitrate=200 key-int-max=10 "
    "option-string=open-gop=1:bframes=2:b-adapt=0:scenecut=0:min-keyint=10:rc-lookahead=4 "
    "! rtph265pay name=pay0 pt=96 config-interval=-1"
)
AUDIO = " audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay1 pt=8"
MOUNTS = {
    "/h264": SOURCE + ENCODER.format(4, "") + " )",
    "/h265": SOURCE + ENCODER.format(5, "") + " )",
    "/av": SOURCE + ENCODER.format(4, "") + AUDIO + " )",
    "/opengop": SOURCE + OPEN_GROUPS + " )",
    "/busy": SOURCE.replace("ball", "snow").replace("10/1", "25/1")
    + ENCODER.format(4, "").replace("bitrate=200", "bitrate=1500")
    + " )",
}

server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
for path, launch in MOUNTS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    if mode == "udp":
        factory.set_protocols(GstRtsp.RTSPLowerTrans.UDP)
    if needs_login:
        permissions = GstRtspServer.RTSPPermissions()
        for action in ("access", "construct"):
            permissions.add_permission_for_role("user", "media.factory." + action, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)

if needs_login:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if mode == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", "pass 123!"), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("admin", "pass 123!", token)
    if mode == "tls":
        auth.set_tls_certificate(Gio.TlsCertificate.new_from_file(sys.argv[3]))
    server.set_auth(auth)



def await_first_picture(_client, context):
    """gst-rtsp-server 1.22 aborts when PLAY comes before the first picture, as it does on a busy machine.

    It does so too where two clients start one shared media at once: each has its own (the default).
    """
    stream = context.media.get_stream(0) if context.media else None
    deadline = time.monotonic() + 20
    while stream and stream.is_complete() and not stream.get_rates()[0] and time.monotonic() < deadline:
        time.sleep(0.005)
    return GstRtsp.RTSPStatusCode.OK


server.connect("client-connected", lambda _server, client: client.connect("pre-play-request", await_first_picture))
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
