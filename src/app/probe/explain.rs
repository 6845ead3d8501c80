//! What a state or cause means to the person in the field, in English and Chinese, and what to do next.

use crate::domain::{Cause, State};

/// A cause in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Explanation {
    /// What it is.
    pub(super) chinese: &'static str,
    /// What it means.
    pub(super) meaning: &'static str,
    /// What to do next.
    pub(super) next: &'static str,
    /// What to do next.
    pub(super) next_chinese: &'static str,
}

const fn words(
    chinese: &'static str,
    meaning: &'static str,
    next: &'static str,
    next_chinese: &'static str,
) -> Explanation {
    Explanation { chinese, meaning, next, next_chinese }
}

/// A state in Chinese.
pub(super) const fn state(state: State) -> &'static str {
    match state {
        State::Good => "正常",
        State::Degraded => "异常",
        State::NoVideo => "无视频",
        State::Offline => "离线",
        State::Unreachable => "链路中断",
        State::Unknown => "未知",
        State::Excluded => "剔除",
    }
}

/// A cause in words. Causes that say that we could not look share one answer.
pub(super) fn cause(cause: &Cause) -> Explanation {
    let known = TABLE.iter().find(|(word, _)| *word == cause.as_str());
    known.map_or(NOT_LOOKED, |(_, explanation)| *explanation)
}

const NOT_LOOKED: Explanation = words(
    "未能检测",
    "the look was broken off or could not be made",
    "run the command again, on a machine that is not busy",
    "请在空闲的机器上重新执行",
);

/// By the word of the cause.
const TABLE: &[(&str, Explanation)] = &[
    (
        "name_not_resolved",
        words(
            "域名无法解析",
            "the host name has no address",
            "check the name, or use the IP address",
            "核对主机名,或改用 IP 地址",
        ),
    ),
    (
        "no_route",
        words(
            "网络不可达",
            "there is no route to the device",
            "ping the gateway, check VLAN and routes, then the power of the device",
            "先 ping 网关,检查 VLAN 和路由,再检查设备供电",
        ),
    ),
    (
        "connect_refused",
        words(
            "端口拒绝连接",
            "the device is up and nothing listens on the port",
            "check the port (554?) and whether RTSP is switched on in the device",
            "核对端口(554?),确认设备已开启 RTSP 服务",
        ),
    ),
    (
        "connect_timeout",
        words(
            "连接超时",
            "nothing answers at the address",
            "check power and cable at the pole, then the switch port; a firewall may drop silently",
            "检查杆上供电与网线,再查交换机端口;防火墙也可能静默丢包",
        ),
    ),
    (
        "connection_lost",
        words(
            "连接被断开",
            "the device closed the connection",
            "restart the device; it may be out of sessions or updating",
            "重启设备;可能会话已满或正在升级",
        ),
    ),
    (
        "rtsp_timeout",
        words(
            "RTSP 无响应",
            "the device took the connection and did not answer in time",
            "restart the device; its RTSP service hangs or is overloaded",
            "重启设备;RTSP 服务卡死或过载",
        ),
    ),
    (
        "request_unanswered",
        words(
            "请求无应答",
            "the device speaks RTSP and left a request unanswered",
            "restart the device; its stream service hangs or is overloaded",
            "重启设备;码流服务卡死或过载",
        ),
    ),
    (
        "tls_failed",
        words(
            "加密握手失败",
            "the TLS handshake failed",
            "check the certificate and the clock of the device",
            "检查设备证书和时钟",
        ),
    ),
    (
        "not_rtsp",
        words(
            "不是 RTSP 服务",
            "something else than RTSP answers on the port",
            "check the port; 80 is the web page, 8000 and 37777 are makers' own protocols",
            "核对端口;80 是网页,8000、37777 是厂商私有协议",
        ),
    ),
    (
        "link_down",
        words(
            "上级链路中断",
            "a link on the way to the device is down",
            "repair the link first",
            "先修复链路",
        ),
    ),
    (
        "wrong_credential",
        words(
            "用户名或密码错误",
            "the device refused the user name or password twice",
            "do not try again and again: many cameras lock the account for half an hour. Check the password on the device",
            "不要反复重试:许多摄像机会锁定账号半小时。请在设备上核对密码",
        ),
    ),
    (
        "credential_missing",
        words(
            "需要用户名和密码",
            "the device asks for a login and none was given",
            "give --user and set SHARPEYES_PASSWORD",
            "加上 --user,并设置 SHARPEYES_PASSWORD",
        ),
    ),
    (
        "forbidden",
        words(
            "权限不足",
            "the user may not see this stream",
            "give the user the right to view this channel on the device",
            "在设备上为该用户开放此通道的预览权限",
        ),
    ),
    (
        "stream_not_found",
        words(
            "码流不存在",
            "the device has no stream at this path",
            "check channel and stream number in the path; config/brands.toml lists the makers' forms",
            "核对路径中的通道号和码流号;config/brands.toml 列有各厂商格式",
        ),
    ),
    (
        "session_limit",
        words(
            "会话数已满",
            "the device serves no more sessions",
            "close other viewers (NVR, clients), or raise the limit on the device",
            "关闭其他观看端(NVR、客户端),或提高设备会话上限",
        ),
    ),
    (
        "transport_refused",
        words(
            "不支持 TCP 传输",
            "the device refuses RTP over TCP",
            "switch on RTP over TCP (interleaved) in the device",
            "在设备上开启 RTP over TCP",
        ),
    ),
    (
        "redirected",
        words(
            "被重定向",
            "the device sends us to another address, which we do not follow",
            "record the address that it redirects to",
            "登记重定向后的地址",
        ),
    ),
    (
        "rtsp_error",
        words(
            "RTSP 应答错误",
            "the device answered with an error or broke the protocol",
            "restart the device; update its firmware if the error stays",
            "重启设备;若仍出错则升级固件",
        ),
    ),
    (
        "credential_hold",
        words(
            "凭据冻结中",
            "the credential is held after a refusal",
            "release the hold after the password was put right",
            "改正密码后解除冻结",
        ),
    ),
    (
        "no_video_media",
        words(
            "没有可识别的视频",
            "the stream holds no H.264, H.265 or MJPEG video",
            "set the video coding to H.264 or H.265 in the device",
            "在设备上把视频编码设为 H.264 或 H.265",
        ),
    ),
    (
        "bad_description",
        words(
            "会话描述无法解析",
            "the session description cannot be read",
            "update the firmware; keep the answer for the maker",
            "升级固件;保留应答交厂商分析",
        ),
    ),
    (
        "no_parameters",
        words(
            "缺少解码参数",
            "key frames come without parameter sets",
            "restart the stream or update the firmware",
            "重启码流或升级固件",
        ),
    ),
    (
        "no_packets",
        words(
            "无媒体数据",
            "the device plays and sends nothing",
            "restart the device; behind a recorder check the camera's own line",
            "重启设备;若经录像机,检查摄像机到录像机的线路",
        ),
    ),
    (
        "no_key_frame",
        words(
            "无关键帧",
            "pictures come and none can be decoded from the start",
            "set a key-frame interval of 1-2 seconds and switch smart coding off",
            "把 I 帧间隔设为 1-2 秒,关闭智能编码",
        ),
    ),
    (
        "stalled",
        words(
            "画面中断",
            "pictures came and stopped",
            "check the line for errors and the device for overheating",
            "检查线路误码和设备是否过热",
        ),
    ),
    (
        "bad_stream",
        words(
            "码流异常中断",
            "the stream broke its format and was given up",
            "restart the device; update its firmware if it happens again",
            "重启设备;若再次出现则升级固件",
        ),
    ),
    (
        "loss",
        words(
            "丢包",
            "packets are lost on the way",
            "check cable, plugs and the load of the uplink",
            "检查网线、接头和上行带宽占用",
        ),
    ),
    (
        "low_frame_rate",
        words(
            "帧率过低",
            "fewer pictures come than expected",
            "check the exposure at night, the set rate and the load of the device",
            "检查夜间慢快门、设定帧率和设备负载",
        ),
    ),
    (
        "resolution_changed",
        words(
            "分辨率与档案不符",
            "the picture size differs from the record",
            "set the size back, or correct the record",
            "恢复分辨率,或更正档案",
        ),
    ),
    (
        "clock_wrong",
        words(
            "设备时钟错误",
            "the clock of the device is wrong",
            "set the time server (NTP) and the time zone of the device",
            "设置设备的 NTP 校时服务器和时区",
        ),
    ),
    (
        "slow_key_frames",
        words(
            "关键帧间隔过长",
            "key frames come far apart",
            "set a key-frame interval of 1-2 seconds and switch smart coding off",
            "把 I 帧间隔设为 1-2 秒,关闭智能编码",
        ),
    ),
    (
        "blank",
        words(
            "黑屏/单色",
            "the picture is black or of one colour",
            "check the signal into the recorder, the lens cap, the iris and the sensor",
            "检查接入录像机的信号、镜头盖、光圈和传感器",
        ),
    ),
    (
        "frozen",
        words(
            "画面冻结",
            "the picture stands still",
            "restart the camera or the recorder channel; update its firmware when it happens again",
            "重启摄像机或录像机通道,反复出现时升级固件",
        ),
    ),
    (
        "covered",
        words("遮挡", "something hides the view", "clear what stands before the lens", "清除镜头前的遮挡物"),
    ),
    (
        "moved",
        words(
            "移位",
            "the camera looks elsewhere",
            "turn the camera back, or accept the new view",
            "恢复摄像机朝向,或确认新的画面基线",
        ),
    ),
    (
        "blurred",
        words(
            "模糊",
            "the picture is out of focus, or the window is dirty",
            "clean the window and set the focus",
            "清洁护罩玻璃并重新调焦",
        ),
    ),
    (
        "too_dark",
        words(
            "过暗",
            "the picture is too dark to see",
            "check the light, the iris, the exposure and the infrared lamps",
            "检查补光、光圈、曝光和红外灯",
        ),
    ),
    (
        "too_bright",
        words(
            "过亮",
            "the picture is too bright to see",
            "check the exposure, the iris and whether a lamp shines into the lens",
            "检查曝光、光圈以及是否有灯光直射镜头",
        ),
    ),
    (
        "damaged",
        words(
            "花屏/丢包",
            "the picture is damaged",
            "check the link for loss, and the encoder",
            "检查链路丢包和编码器",
        ),
    ),
    (
        "noise",
        words(
            "雪花/噪声",
            "the picture is full of noise",
            "check the cable, the power supply and the sensor",
            "检查线缆、电源和传感器",
        ),
    ),
    (
        "stripes",
        words(
            "条纹",
            "there are stripes in the picture",
            "check the earthing, the power supply and the shutter time under lamps",
            "检查接地、电源以及灯光下的快门时间",
        ),
    ),
    (
        "colour_cast",
        words(
            "偏色",
            "one colour lies over the picture",
            "check the white balance and the infrared filter",
            "检查白平衡和红外滤光片",
        ),
    ),
    ("shaking", words("抖动", "the camera shakes", "fasten the bracket and the pole", "紧固支架和立杆")),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_that_a_look_can_have_is_explained() {
        for looked in Cause::PLAIN.iter().filter(|cause| cause.state() != State::Unknown) {
            assert_ne!(cause(looked), NOT_LOOKED, "{looked}");
        }
        assert!(
            TABLE.iter().all(|(word, _)| Cause::parse(word, Some("L")).is_ok()),
            "no row without its cause"
        );
    }
}
