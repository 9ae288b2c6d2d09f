"""What the mesh engine (`segment_worker.engines.mesh`) is made of, all of it about one face.

facemesh    finds faces and their 468 points
identity    whose face it is
topology    the mesh's own geometry
shape       a person's proportions, apart from the pose
warp        between a picture and the flat layout
texture     the source's face, laid flat and lit
eyes        the source's eyes, looking where the target's look
"""
