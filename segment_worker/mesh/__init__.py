"""What the mesh engine (`segment_worker.engines.mesh`) is made of.

Each module is about one face:

    facemesh    finds it, and its 468 points
    identity    whose it is
    topology    the mesh's own geometry
    shape       a person's proportions, apart from the pose
    facing      which points are seen
    warp        between a picture and the flat layout
    clarity     which of several photos of the source is taken
    texture     the source's face, laid flat
    regions     parts of the layout, the same for everyone
    skin        which texels are skin
    means       what surrounds a texel
    mouth       painted over, and opened as far as the target's
    eyes        the source's eyes, looking where the target's look
    light       how a texture is lit like the target
"""
