#!/usr/bin/python3
"""gst-rtsp-server: mounts /h264 /h265 /av /opengop; user admin, password "pass 123!" unless the mode is open."""

import sys

import gi

for name in ("Gst", "GstRtsp", "GstRtspServer"):
    gi.require_version(name, "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer

Gst.init(None)
port, mode = sys.argv[1], sys.argv[2]

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
}

server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(port)
for path, launch in MOUNTS.items():
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(launch)
    factory.set_shared(True)
    if mode != "open":
        permissions = GstRtspServer.RTSPPermissions()
        for action in ("access", "construct"):
            permissions.add_permission_for_role("user", "media.factory." + action, True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory(path, factory)

if mode != "open":
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if mode == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic("admin", "pass 123!"), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest("admin", "pass 123!", token)
    server.set_auth(auth)

server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
