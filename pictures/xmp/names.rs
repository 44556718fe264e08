//! Which XMP properties show the original or point at parts that are left out.

use crate::notes::Notes;

/// Why a property goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It is a picture of the original.
    Picture(&'static str),
    /// It points at the video behind the image.
    Motion,
    /// It describes the gain map behind the image.
    Hdr,
    /// It lists the parts of a file of which only the first is left.
    Parts,
    /// It is, or describes, a depth map.
    Depth,
    /// It names extended XMP that is left out.
    Extended,
}

impl Cause {
    pub fn note(self, notes: &mut Notes) {
        match self {
            Cause::Picture(name) => notes.picture(name),
            Cause::Motion => notes.say(MOTION),
            Cause::Hdr => notes.say(HDR),
            Cause::Depth => notes.say(DEPTH),
            Cause::Parts | Cause::Extended => {}
        }
    }
}

pub(crate) const MOTION: &str =
    "the video of this motion photo was left out: it shows the original";
pub(crate) const HDR: &str =
    "the HDR gain map was left out: it shows the original, and the result has standard range";
const DEPTH: &str = "the depth map was left out: it shows the original";

/// Namespace (its beginning is enough), usual prefix, beginnings of the names of properties.
type Row = (&'static str, &'static str, &'static [&'static str], Cause);

const ALL: &[&str] = &[""];
const THUMBNAIL: Cause = Cause::Picture("XMP thumbnail");

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("http://ns.adobe.com/xap/1.0/g/img/", "xmpGImg", ALL, THUMBNAIL),
    ("http://ns.adobe.com/xap/1.0/g/img/", "xapGImg", ALL, THUMBNAIL),
    ("http://ns.adobe.com/xap/1.0/", "xmp", &["Thumbnails"], THUMBNAIL),
    ("http://ns.adobe.com/xap/1.0/", "xap", &["Thumbnails"], THUMBNAIL),
    ("http://ns.google.com/photos/1.0/image/", "GImage", ALL, Cause::Picture("XMP original (GImage)")),
    ("http://ns.google.com/photos/1.0/depthmap/", "GDepth", ALL, Cause::Depth),
    ("http://ns.google.com/photos/1.0/focus/", "GFocus", ALL, Cause::Depth),
    ("http://ns.google.com/photos/1.0/camera/", "GCamera", &["MotionPhoto", "MicroVideo"], Cause::Motion),
    ("http://ns.oplus.com/photos/1.0/camera/", "OpCamera", &["MotionPhoto", "OLivePhoto", "VideoLength"], Cause::Motion),
    ("http://ns.xiaomi.com/photos/1.0/camera/", "MiCamera", &["XMPMeta"], Cause::Parts),
    ("http://ns.google.com/photos/1.0/container/", "Container", ALL, Cause::Parts),
    ("http://ns.google.com/photos/1.0/container/", "GContainer", ALL, Cause::Parts),
    ("http://ns.google.com/photos/1.0/container/item/", "Item", ALL, Cause::Parts),
    ("http://ns.google.com/photos/1.0/container/item/", "GContainerItem", ALL, Cause::Parts),
    ("http://ns.google.com/photos/dd/1.0/", "Device", ALL, Cause::Depth),
    ("http://ns.adobe.com/hdr-gain-map/1.0/", "hdrgm", ALL, Cause::Hdr),
    ("http://ns.apple.com/HDRGainMap/1.0/", "HDRGainMap", ALL, Cause::Hdr),
    ("http://ns.apple.com/pixeldatainfo/1.0/", "apdi", ALL, Cause::Hdr),
    ("http://ns.adobe.com/xmp/note/", "xmpNote", &["HasExtendedXMP"], Cause::Extended),
];

/// Whether every property of a namespace goes, and its declaration with them.
pub(super) fn goes_whole(namespace: &str) -> bool {
    ROWS.iter()
        .any(|row| row.2 == ALL && namespace.starts_with(row.0))
}

/// Why the property `local` goes, by its namespace where the packet declares one, else by its usual prefix.
pub(super) fn cause(namespace: Option<&str>, prefix: &str, local: &str) -> Option<Cause> {
    let same = |row: &&Row| match namespace {
        Some("http://ns.adobe.com/xap/1.0/") => row.0 == "http://ns.adobe.com/xap/1.0/",
        Some(uri) => row.0 != "http://ns.adobe.com/xap/1.0/" && uri.starts_with(row.0),
        None => row.1 == prefix,
    };
    ROWS.iter()
        .filter(same)
        .find(|row| row.2.iter().any(|name| local.starts_with(name)))
        .map(|row| row.3)
}
