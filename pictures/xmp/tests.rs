use proptest::prelude::*;

use super::*;

const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwM";

fn packet(attributes: &str, properties: &str) -> String {
    format!(
        "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>\n<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\"><rdf:Description \
         rdf:about=\"\"{attributes}>{properties}</rdf:Description></rdf:RDF></x:xmpmeta>\n   <?xpacket end=\"w\"?>"
    )
}

fn tidied(text: &str) -> (Tidied, Vec<String>) {
    let mut notes = Notes::default();
    let tidied = tidy(text.as_bytes(), false, &mut notes);
    (tidied, notes.sentences())
}

/// What goes, goes; what stands around it keeps its bytes.
fn leaves(attributes: (&str, &str), properties: (&str, &str), said: &str) {
    let (found, sentences) = tidied(&packet(attributes.0, properties.0));
    let want = packet(attributes.1, properties.1);
    match found {
        Tidied::Changed(bytes) => assert_eq!(String::from_utf8(bytes).unwrap(), want),
        other => panic!("{other:?} for {attributes:?} {properties:?}"),
    }
    assert_eq!(sentences.is_empty(), said.is_empty(), "{sentences:?}");
    assert!(sentences.join("; ").contains(said), "{sentences:?}");
}

#[test]
fn a_packet_without_pictures_keeps_its_bytes() {
    let kept = packet(
        " xmlns:dc='d' dc:format='a \"quoted\" one' tiff:Orientation=\"6\"",
        "<dc:creator>Jane &amp; Doe</dc:creator><!-- c --><![CDATA[x]]><GPano:UsePanoramaViewer/>",
    );
    assert_eq!(tidied(&kept), (Tidied::Same, vec![]));
}

#[test]
fn pictures_go_by_name_by_namespace_and_by_content() {
    let thumbnails = format!(
        "<xmp:Thumbnails><rdf:Alt><rdf:li xmpGImg:image=\"{JPEG}\"/></rdf:Alt></xmp:Thumbnails>"
    );
    leaves(
        ("", ""),
        (
            &format!("<a:b/>{thumbnails}<a:c>d</a:c>"),
            "<a:b/><a:c>d</a:c>",
        ),
        "XMP thumbnail",
    );
    leaves(
        (
            " xmlns:q=\"http://ns.google.com/photos/1.0/image/\" q:Mime=\"image/jpeg\" a:b='\"'",
            " a:b='\"'",
        ),
        ("<q:Data>AAAA</q:Data>", ""),
        "XMP original (GImage)",
    );
    leaves(
        (&format!(" some:Thing=\"{JPEG}\""), ""),
        ("", ""),
        "picture in XMP",
    );
    leaves(
        ("", ""),
        (
            &format!("<a:b><a:c>{JPEG}</a:c><a:d/></a:b><a:e>\n{JPEG}</a:e>x"),
            "<a:b><a:d/></a:b>x",
        ),
        "picture in XMP",
    );
    leaves(
        (" GDepth:Near='1'", ""),
        ("<GDepth:Data>AAAA</GDepth:Data>", ""),
        "depth map",
    );
}

#[test]
fn what_points_at_left_out_parts_goes_too() {
    leaves(
        (
            " GCamera:MotionPhoto=\"1\" GCamera:MicroVideoOffset=\"3012\" GCamera:SpecialTypeID=\"x\"",
            " GCamera:SpecialTypeID=\"x\"",
        ),
        (
            "<Container:Directory><rdf:Seq><rdf:li Item:Length='5'/></rdf:Seq></Container:Directory>",
            "",
        ),
        "motion photo",
    );
    leaves(
        (
            " OpCamera:OLivePhotoVersion=\"2\" OpCamera:VideoLength=\"3012\" MiCamera:XMPMeta=\"&lt;subimage/>\" MiCamera:Mode=\"x\"",
            " MiCamera:Mode=\"x\"",
        ),
        (
            "<OpCamera:MotionPhotoOwner>a</OpCamera:MotionPhotoOwner>",
            "",
        ),
        "motion photo",
    );
    leaves(
        (" hdrgm:Version=\"1.0\"", ""),
        ("<hdrgm:GainMapMax>3</hdrgm:GainMapMax>", ""),
        "HDR gain map",
    );
    leaves((" xmpNote:HasExtendedXMP=\"0123\"", ""), ("", ""), "");
    let extended = packet(" xmpNote:HasExtendedXMP=\"0123\"", "");
    let kept = tidy(extended.as_bytes(), true, &mut Notes::default());
    assert_eq!(kept, Tidied::Same);
}

#[test]
fn damaged_packets_stay_only_when_they_cannot_hold_a_picture() {
    let damaged = "<a tiff:Orientation=\"6\"><b>";
    assert_eq!(tidied(damaged), (Tidied::Same, vec![]));
    let (found, said) = tidied(&format!("{damaged}{}", JPEG.repeat(8)));
    assert_eq!((found, said.len()), (Tidied::Unsafe, 1));
    assert_eq!(tidied(&format!("{damaged}\u{fffd}")).0, Tidied::Same);
}

#[test]
fn orientation_is_set_in_both_forms() {
    let mut xmp = b"<a tiff:Orientation=\"6\"/><tiff:Orientation>8</tiff:Orientation>".to_vec();
    set_orientation(&mut xmp, Orientation::UPRIGHT);
    assert_eq!(
        xmp,
        b"<a tiff:Orientation=\"1\"/><tiff:Orientation>1</tiff:Orientation>"
    );
}

#[test]
fn packets_made_to_take_long_do_not() {
    let started = std::time::Instant::now();
    let many = |piece: &dyn Fn(usize) -> String| (0..60_000).map(piece).collect::<String>();
    tidied(&packet(
        &many(&|i| format!(" xmlns:a{i}='u{i}' a{i}:b='c'")),
        "",
    ));
    tidied(&packet("", &many(&|i| format!("<a{i}>"))));
    tidied(&packet("", &many(&|_| format!("<a:b>{JPEG}</a:b>"))));
    tidied(&packet(&many(&|_| format!(" a:b='{JPEG}'")), ""));
    assert!(started.elapsed().as_secs() < 4, "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn hostile_packets_never_panic(text in "[<>/a:='\"& ;!\\[\\]?x-]{0,200}") {
        tidied(&text);
        let mut bytes = text.into_bytes();
        set_orientation(&mut bytes, Orientation::from_exif(6));
    }
}
