"""VideoPrism beside the video: the napari panel of vp_science."""
