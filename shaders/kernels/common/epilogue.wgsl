// Activation by number; the numbers are `Act::code`.
fn activate(x: f32, act: u32) -> f32 {
    if act == 1u {
        return max(x, 0.0);
    }
    if act == 2u {
        // exp overflows past 88; the sigmoid is below every f32 step of 0 long before.
        return 1.0 / (1.0 + exp(min(-x, 80.0)));
    }
    if act == 3u {
        return 0.5 * x * (1.0 + erf(x * 0.70710678));
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
    if act == 3u {
        return 0.5 * x * (1.0 + erf4(x * 0.70710678));
    }
    return x;
}

// Error function, Abramowitz and Stegun 7.1.26 (at most 1.5e-7 off), as in the CPU twin.
fn erf(x: f32) -> f32 {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let poly = t * (0.2548296 + t * (-0.28449672 + t * (1.4214138 + t * (-1.4531521 + t * 1.0614054))));
    let y = 1.0 - poly * exp(-min(a * a, 80.0));
    return select(y, -y, x < 0.0);
}

fn erf4(x: vec4<f32>) -> vec4<f32> {
    let a = abs(x);
    let t = 1.0 / (1.0 + 0.3275911 * a);
    let poly = t * (0.2548296 + t * (-0.28449672 + t * (1.4214138 + t * (-1.4531521 + t * 1.0614054))));
    let y = 1.0 - poly * exp(-min(a * a, vec4<f32>(80.0)));
    return select(y, -y, x < vec4<f32>(0.0));
}
