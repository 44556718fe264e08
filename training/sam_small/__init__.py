"""sam-small: masks from clicks and boxes, MobileSAM made smaller."""
