//! The columns of every kind of table: the one list that import, export, templates and messages are made from.

use crate::domain::RecordKind;
use crate::inventory::TableKind;
use crate::inventory::cell::{Cell, Word};
use crate::inventory::column::{Column, Need};

/// Most households of one record; a county of Heilongjiang has some 100 000.
const HOUSEHOLDS: Cell = Cell::Whole(0, 10_000_000);

/// The columns of a kind, the key first.
pub(crate) const fn columns(kind: TableKind) -> &'static [Column] {
    match kind {
        TableKind::Credentials => CREDENTIALS,
        TableKind::Records(RecordKind::Division) => DIVISIONS,
        TableKind::Records(RecordKind::Grid) => GRIDS,
        TableKind::Records(RecordKind::Link) => LINKS,
        TableKind::Records(RecordKind::Place) => PLACES,
        TableKind::Records(RecordKind::Site) => SITES,
        TableKind::Records(RecordKind::Point) => POINTS,
    }
}

/// Headers that are understood and not kept, told in the report: GB/T 28181 fields that say nothing about health or
/// cover, or that another column tells better.
pub(crate) const fn unkept(kind: TableKind) -> &'static [&'static str] {
    match kind {
        TableKind::Records(RecordKind::Point) => UNKEPT_POINT_FIELDS,
        TableKind::Credentials | TableKind::Records(_) => &[],
    }
}

const CREDENTIALS: &[Column] = &[
    Column::new("name", "凭据名称", &["名称", "credential"], Cell::Code).need(Need::Required),
    Column::new("username", "用户名", &["user", "账号"], Cell::Secret).need(Need::Required),
    Column::new("password", "密码", &["口令"], Cell::Secret).need(Need::Required),
];

const DIVISIONS: &[Column] = &[
    Column::new(
        "code",
        "区划代码",
        &["编码", "代码", "行政区划代码", "CivilCode", "DeviceID"],
        Cell::Division,
    )
    .need(Need::Required),
    Column::new("name", "名称", &["区划名称", "村屯名称"], Cell::Text).need(Need::Required),
    Column::new("assessed", "是否考核", &["纳入考核"], Cell::Flag),
    Column::new("households", "户数", &["总户数"], HOUSEHOLDS),
    Column::new("has_centre", "是否有综治中心", &["综治中心"], Cell::Flag).need(Need::Otherwise("no")),
    Column::new("valid_from", "启用日期", &["生效日期"], Cell::Instant).field("valid_from_ms"),
    Column::new("valid_to", "停用日期", &["失效日期"], Cell::Instant).field("valid_to_ms"),
];

const GRID_KINDS: &[Word] = &[
    Word { word: "urban", chinese: "城市", also: &["城市网格", "城镇", "社区网格"] },
    Word { word: "rural", chinese: "农村", also: &["农村网格", "乡村"] },
    Word { word: "dedicated", chinese: "专属", also: &["专属网格"] },
];

const GRIDS: &[Column] = &[
    Column::new("code", "网格编码", &["编码", "网格代码", "网格编号"], Cell::Code).need(Need::Required),
    Column::new("name", "网格名称", &["名称"], Cell::Text).need(Need::Required),
    Column::new("village", "所属村屯", &["村屯代码", "所属村社区", "村代码", "所属村"], Cell::Village)
        .need(Need::Required),
    Column::new("kind", "网格类型", &["类型"], Cell::Word(GRID_KINDS)).need(Need::Required),
    Column::new("households", "户数", &["网格户数"], HOUSEHOLDS),
    Column::new("leader", "网格长", &["网格长姓名", "leader_name"], Cell::Text).field("leader_name"),
    Column::new("leader_phone", "网格长电话", &["网格长联系电话", "联系电话"], Cell::Phone),
    Column::new("leader_from", "任职开始", &["任职日期"], Cell::Instant).field("leader_from_ms"),
    Column::new("leader_to", "任职结束", &["离任日期"], Cell::Instant).field("leader_to_ms"),
];

const LINK_KINDS: &[Word] = &[
    Word { word: "access", chinese: "接入", also: &["接入设备", "交换机", "onu", "nvr"] },
    Word { word: "village", chinese: "村级", also: &["村", "村级上联"] },
    Word { word: "township", chinese: "乡镇", also: &["乡镇级", "乡镇汇聚"] },
    Word { word: "county", chinese: "县级", also: &["县", "区县"] },
];

const REDUNDANCY: &[Word] = &[
    Word { word: "all", chinese: "全部", also: &["单链路", "无冗余"] },
    Word { word: "any", chinese: "任一", also: &["冗余", "双链路"] },
];

const LINKS: &[Column] = &[
    Column::new("code", "链路编码", &["编码", "链路代码"], Cell::Code).need(Need::Required),
    Column::new("name", "链路名称", &["名称"], Cell::Text).need(Need::Required),
    Column::new("kind", "链路类型", &["类型"], Cell::Word(LINK_KINDS)).need(Need::Required),
    Column::new("division", "服务区划", &["区划代码", "所属区划"], Cell::KnownDivision).need(Need::Required),
    Column::new("parents", "上级链路", &["上级", "parent"], Cell::Links),
    Column::new("redundancy", "冗余方式", &["冗余"], Cell::Word(REDUNDANCY)).need(Need::Otherwise("all")),
    Column::new("budget_kbps", "带宽预算kbps", &["带宽预算"], Cell::Whole(1, 100_000_000)),
    Column::new("budget_sessions", "会话预算", &["会话数预算"], Cell::Whole(1, 65_535)),
    Column::new("target", "探测目标", &["探测地址"], Cell::Target),
];

const PLACE_KINDS: &[Word] = &[
    Word {
        word: "village_entrance", chinese: "村口", also: &["主要出入口", "村口/主要出入口", "出入口"]
    },
    Word { word: "main_junction", chinese: "主要路口", also: &["路口"] },
    Word { word: "committee", chinese: "村委会", also: &["居委会", "村部"] },
    Word { word: "school", chinese: "学校", also: &["幼儿园"] },
    Word { word: "clinic", chinese: "卫生室", also: &["卫生院", "卫生所"] },
    Word { word: "water_source", chinese: "水源地", also: &["水源"] },
    Word { word: "fuel_station", chinese: "加油站", also: &[] },
    Word { word: "square", chinese: "广场", also: &["集市", "广场/集市"] },
    Word { word: "other", chinese: "其他", also: &["其它"] },
];

const PLACES: &[Column] = &[
    Column::new("code", "部位编码", &["编码", "部位代码"], Cell::Code).need(Need::Required),
    Column::new("name", "部位名称", &["名称"], Cell::Text).need(Need::Required),
    Column::new("village", "所属村屯", &["村屯代码", "所属村社区", "村代码", "所属村"], Cell::Village)
        .need(Need::Required),
    Column::new("kind", "部位类型", &["类型"], Cell::Word(PLACE_KINDS)).need(Need::Required),
    Column::new("required", "是否必须覆盖", &["必须覆盖"], Cell::Flag).need(Need::Otherwise("yes")),
];

const DATUMS: &[Word] = &[
    Word {
        word: "wgs84",
        chinese: "大地坐标",
        also: &["wgs-84", "cgcs2000", "epsg:4326", "epsg:4490", "gps"],
    },
    Word { word: "gcj02", chinese: "火星坐标", also: &["gcj-02", "高德", "腾讯"] },
    Word { word: "bd09", chinese: "百度坐标", also: &["bd-09", "百度"] },
];

const LONGITUDE: Column =
    Column::new("longitude", "经度", &["lon", "lng"], Cell::Degrees).field("raw_longitude");
const LATITUDE: Column = Column::new("latitude", "纬度", &["lat"], Cell::Degrees).field("raw_latitude");
const DATUM: Column = Column::new("datum", "坐标系", &["坐标系统", "crs"], Cell::Word(DATUMS));

const SITES: &[Column] = &[
    Column::new("code", "点位编码", &["编码", "点位代码", "杆件编码"], Cell::Code).need(Need::Required),
    Column::new("name", "点位名称", &["名称"], Cell::Text).need(Need::Required),
    Column::new("village", "所属村屯", &["村屯代码", "所属村社区", "村代码", "所属村"], Cell::Village)
        .need(Need::Required),
    LONGITUDE,
    LATITUDE,
    DATUM,
    Column::new("mount", "安装方式", &["立杆类型", "杆件类型"], Cell::Text),
    Column::new("power", "供电方式", &["取电方式", "供电单位"], Cell::Text),
    Column::new("link", "接入链路", &["链路编码", "链路"], Cell::Known(RecordKind::Link)),
];

const CLASSES: &[Word] = &[
    Word { word: "1", chinese: "一类", also: &["一类点", "1类", "一类视频监控点"] },
    Word { word: "2", chinese: "二类", also: &["二类点", "2类", "二类视频监控点"] },
    Word { word: "3", chinese: "三类", also: &["三类点", "3类", "三类视频监控点"] },
    Word { word: "9", chinese: "其他", also: &["其它", "其他点位"] },
];

/// ON and OFF are GB/T 28181's word for online now; either way the point is in use.
const STATUSES: &[Word] = &[
    Word { word: "in_use", chinese: "在用", also: &["on", "off"] },
    Word { word: "repair", chinese: "维修", also: &["维修中"] },
    Word { word: "removed", chinese: "拆除", also: &["已拆除"] },
];

const WATCH_MODES: &[Word] = &[
    Word { word: "patrol", chinese: "轮巡", also: &[] },
    Word { word: "continuous", chinese: "常拉", also: &[] },
    Word { word: "off", chinese: "不监测", also: &["停用"] },
];

const REGISTER_WAYS: &[Word] = &[
    Word { word: "1", chinese: "标准", also: &[] },
    Word { word: "2", chinese: "口令双向", also: &[] },
    Word { word: "3", chinese: "证书双向", also: &[] },
    Word { word: "4", chinese: "证书单向", also: &[] },
];

const SECURITY_LEVELS: &[Word] = &[
    Word { word: "A", chinese: "a级", also: &["a"] },
    Word { word: "B", chinese: "b级", also: &["b"] },
    Word { word: "C", chinese: "c级", also: &["c"] },
];

const SECRECY: &[Word] = &[
    Word { word: "0", chinese: "不涉密", also: &["否", "no"] },
    Word { word: "1", chinese: "涉密", also: &["是", "yes"] },
];

const CAMERA_TYPES: &[Word] = &[
    Word { word: "1", chinese: "球机", also: &[] },
    Word { word: "2", chinese: "半球", also: &[] },
    Word { word: "3", chinese: "固定枪机", also: &["枪机"] },
    Word { word: "4", chinese: "遥控枪机", also: &[] },
    Word { word: "5", chinese: "遥控半球", also: &[] },
    Word { word: "6", chinese: "多目全景", also: &[] },
    Word { word: "7", chinese: "多目分割", also: &[] },
];

const IMAGING_TYPES: &[Word] = &[
    Word { word: "1", chinese: "可见光", also: &[] },
    Word { word: "2", chinese: "热成像", also: &[] },
    Word { word: "3", chinese: "雷达", also: &[] },
    Word { word: "4", chinese: "x光", also: &[] },
    Word { word: "5", chinese: "深度", also: &[] },
    Word { word: "9", chinese: "其他", also: &["其它"] },
];

const ROOM_TYPES: &[Word] =
    &[Word { word: "1", chinese: "室外", also: &[] }, Word { word: "2", chinese: "室内", also: &[] }];

const LIGHT_TYPES: &[Word] = &[
    Word { word: "1", chinese: "无补光", also: &["无"] },
    Word { word: "2", chinese: "红外", also: &["红外补光"] },
    Word { word: "3", chinese: "白光", also: &["白光补光"] },
    Word { word: "4", chinese: "激光", also: &["激光补光"] },
    Word { word: "9", chinese: "其他", also: &["其它"] },
];

const DIRECTIONS: &[Word] = &[
    Word { word: "1", chinese: "东", also: &["东向"] },
    Word { word: "2", chinese: "西", also: &["西向"] },
    Word { word: "3", chinese: "南", also: &["南向"] },
    Word { word: "4", chinese: "北", also: &["北向"] },
    Word { word: "5", chinese: "东南", also: &[] },
    Word { word: "6", chinese: "东北", also: &[] },
    Word { word: "7", chinese: "西南", also: &[] },
    Word { word: "8", chinese: "西北", also: &[] },
];

const POINTS: &[Column] = &[
    Column::new(
        "code",
        "监控点编码",
        &["编码", "国标编码", "设备编码", "点位国标编码", "DeviceID"],
        Cell::Point,
    )
    .need(Need::Required),
    Column::new("name", "监控点名称", &["名称", "设备名称"], Cell::Text).need(Need::Required),
    Column::new("village", "所属村屯", &["村屯代码", "所属村社区", "村代码", "所属村"], Cell::Village)
        .need(Need::Required),
    Column::new("grid", "所属网格", &["网格编码"], Cell::Known(RecordKind::Grid)),
    Column::new("site", "所属点位", &["点位编码", "杆件编码"], Cell::Known(RecordKind::Site)),
    Column::new("place", "覆盖部位", &["重点部位", "部位编码"], Cell::Known(RecordKind::Place)),
    Column::new(
        "class",
        "监控点类别",
        &["点位类别", "类别", "监控点位类型", "PointType"],
        Cell::Word(CLASSES),
    )
    .need(Need::Required),
    Column::new("status", "设备状态", &["状态"], Cell::Word(STATUSES)).need(Need::Otherwise("in_use")),
    Column::new("commissioned", "启用日期", &["投用日期"], Cell::Instant).field("commissioned_ms"),
    Column::new("retired", "停用日期", &["拆除日期"], Cell::Instant).field("retired_ms"),
    Column::new("watch", "监测方式", &[], Cell::Word(WATCH_MODES)).need(Need::Otherwise("patrol")),
    Column::new("sub_stream", "子码流地址", &["子码流"], Cell::Stream),
    Column::new("main_stream", "主码流地址", &["主码流", "rtsp", "rtsp地址"], Cell::Stream),
    Column::new("brand", "品牌", &[], Cell::Text).need(Need::Shorthand),
    Column::new("host", "设备地址", &["主机"], Cell::Text).need(Need::Shorthand),
    Column::new("port", "端口", &["rtsp端口"], Cell::Whole(1, 65_535)).need(Need::Shorthand),
    Column::new("channel", "通道号", &["通道"], Cell::Whole(1, 1024)).need(Need::Shorthand),
    Column::new("credential", "凭据名称", &["凭据"], Cell::Code),
    Column::new("trust", "证书信任", &["证书指纹"], Cell::Trust),
    Column::new("expected_width", "期望宽度", &["宽"], Cell::Whole(1, 16_384)),
    Column::new("expected_height", "期望高度", &["高"], Cell::Whole(1, 16_384)),
    Column::new("expected_frames_per_second", "期望帧率", &["帧率"], Cell::Number(240)),
    Column::new("maintainer", "维护单位", &["运维单位", "维护人"], Cell::Text),
    Column::new("maintainer_phone", "维护电话", &["运维电话", "维护人电话"], Cell::Phone),
    Column::new("manufacturer", "设备厂商", &["厂商", "生产厂家"], Cell::Text),
    Column::new("model", "设备型号", &["型号"], Cell::Text),
    Column::new("address", "安装地址", &["地址"], Cell::Text),
    LONGITUDE,
    LATITUDE,
    DATUM,
    Column::new("register_way", "注册方式", &["RegisterWay"], Cell::Word(REGISTER_WAYS)),
    Column::new("security_level", "安全能力等级", &["SecurityLevelCode"], Cell::Word(SECURITY_LEVELS)),
    Column::new("secrecy", "保密属性", &["Secrecy"], Cell::Word(SECRECY)),
    Column::new("camera_type", "摄像机类型", &["PTZType"], Cell::Word(CAMERA_TYPES)),
    Column::new("imaging_type", "成像类型", &["PhotoelectricImagingType"], Cell::Word(IMAGING_TYPES)),
    Column::new("capture_position_type", "采集部位类型", &["CapturePositionType"], Cell::Digits(7)),
    Column::new("room_type", "室内外", &["RoomType"], Cell::Word(ROOM_TYPES)),
    Column::new("supply_light_type", "补光类型", &["SupplyLightType"], Cell::Word(LIGHT_TYPES)),
    Column::new("direction", "监视方位", &["DirectionType"], Cell::Word(DIRECTIONS)),
    Column::new("grassroots_code", "基层组织编码", &["GrassrootsCode"], Cell::Digits(6)),
    Column::new("install_time", "安装时间", &["InstallTime", "安装日期"], Cell::Instant)
        .field("install_time_ms"),
    Column::new("management_unit", "管理单位", &["ManagementUnit"], Cell::Text),
    Column::new("contact", "管理单位联系方式", &["ContactInfo", "联系方式"], Cell::Text),
    Column::new("record_save_days", "录像保存天数", &["RecordSaveDays"], Cell::Whole(0, 36_500)),
    Column::new("ip_address", "IP地址", &["IPAddress", "ip"], Cell::Address),
    Column::new("mac_address", "MAC地址", &["MAC"], Cell::Mac),
];

const UNKEPT_POINT_FIELDS: &[&str] = &[
    "CivilCode",
    "Parental",
    "ParentID",
    "Block",
    "Owner",
    "SafetyWay",
    "CertNum",
    "Certifiable",
    "ErrCode",
    "EndTime",
    "PositionType",
    "UseType",
    "Resolution",
    "EncodeType",
    "StreamNumberList",
    "PointCommonName",
    "FunctionType",
    "IndustrialClassification",
    "HorizontalFieldAngle",
    "VerticalFieldAngle",
    "MaxViewDistance",
    "BusinessGroupID",
    "DownloadSpeed",
    "SVCSpaceSupportMode",
    "SVCTimeSupportMode",
    "SSVCRatioSupportList",
    "MobileDeviceType",
    "Event",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::column::plain;
    use std::collections::BTreeMap;

    #[test]
    fn no_header_names_two_columns_of_a_kind() {
        for kind in TableKind::ALL {
            let mut owners: BTreeMap<String, &str> = BTreeMap::new();
            for column in columns(kind) {
                for header in [column.name, column.chinese].iter().chain(column.also) {
                    if let Some(other) = owners.insert(plain(header), column.name) {
                        assert_eq!(other, column.name, "{kind}: {header}");
                    }
                }
            }
            for header in unkept(kind) {
                assert_eq!(owners.get(&plain(header)), None, "{kind}: {header}");
            }
        }
    }

    #[test]
    fn the_templates_have_every_column_in_both_languages() {
        for kind in TableKind::ALL {
            let file = format!("{}/config/templates/{kind}.csv", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(file).unwrap();
            let chinese: Vec<&str> = columns(kind).iter().map(|column| column.chinese).collect();
            let english: Vec<&str> = columns(kind).iter().map(|column| column.name).collect();
            let lines: Vec<&str> = text.trim_start_matches('\u{feff}').lines().take(2).collect();
            assert_eq!(lines, [chinese.join(","), english.join(",")], "{kind}");
        }
    }

    #[test]
    fn the_key_comes_first() {
        for kind in TableKind::ALL {
            assert!(matches!(columns(kind)[0].name, "code" | "name"), "{kind}");
            assert_eq!(columns(kind)[0].need, Need::Required);
        }
    }
}
