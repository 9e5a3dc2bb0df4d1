#version 460
layout(local_size_x = 8) in;
layout(std430, binding = 2) buffer Data {
    float data[];
};
void main()
{
    data[gl_GlobalInvocationID.x] *= 2.0;
}
