"""sam-small: masks from clicks and boxes, on a MobileNetV2 encoder."""
