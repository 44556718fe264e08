// Activation by number; the numbers are `Act::code`.
fn activate(x: f32, act: u32) -> f32 {
    if act == 1u {
        return max(x, 0.0);
    }
    if act == 2u {
        // exp overflows past 88; the sigmoid is below every f32 step of 0 long before.
        return 1.0 / (1.0 + exp(min(-x, 80.0)));
    }
    return x;
}

fn activate4(x: vec4<f32>, act: u32) -> vec4<f32> {
    if act == 1u {
        return max(x, vec4<f32>(0.0));
    }
    if act == 2u {
        return 1.0 / (1.0 + exp(min(-x, vec4<f32>(80.0))));
    }
    return x;
}
